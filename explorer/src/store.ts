/** The state of the page: one view, and what follows from it. */

import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Field, Model } from "./contents.ts";
import { type Colouring, colouring } from "./colours.ts";
import { type Places, placesOf } from "./planes.ts";
import { theme } from "./theme.ts";
import { type Condition, read, type Side, type View, written } from "./view.ts";

const PAUSE = 150; // milliseconds of rest before the address follows

export interface Store {
  model: Model;
  view: Signal<View>;
  /** What has to be said: a link that does not fit, a map that shows a part of the points. */
  notices: Signal<string[]>;
  /** The sample under the pointer, -1: none. */
  hovered: Signal<number>;
  /** Bytes (sample): 1 where a sample meets all conditions. */
  chosen: ReadonlySignal<Uint8Array>;
  /** The chosen samples, in order. */
  rows: ReadonlySignal<Uint32Array>;
  /** Bytes (sample): 1 where the score lies below the threshold. */
  rejected: ReadonlySignal<Uint8Array | null>;
  colouring: ReadonlySignal<Colouring>;
  /** Those chosen by all conditions but those of some kinds: what a chart shows that sets them. */
  chosenWithout(...kinds: Condition["kind"][]): Uint8Array;
  field(key: string): Field | undefined;
  of(run: number, name: string): Field | undefined;
  change(some: Partial<View>): void;
  changeSide(number: number, some: Partial<Side>): void;
  /** Adds a condition, in place of one of the same kind (and field) where there is one. */
  choose(condition: Condition): void;
  drop(number: number): void;
}

export function store(model: Model): Store {
  const { view: first, lost } = read(model, location.hash);
  const view = signal(first);
  const notices = signal(lost);
  const conditions = computed(() => view.value.conditions);
  const masks = computed(() => conditions.value.map((condition) => ({ condition, mask: maskOf(model, condition) })));
  const chosen = computed(() => combined(model.count, masks.value.map(({ mask }) => mask)));
  const rows = computed(() => indices(chosen.value));
  const score = computed(() => model.fields.get(`${view.value.run}:score:${view.value.score}`));
  const threshold = computed(() => view.value.threshold);
  const colour = computed(() => view.value.colour);
  const rejected = computed(() => {
    if (!score.value || threshold.value === null) return null;
    const [values, below] = [score.value.data, threshold.value];
    return Uint8Array.from(values, (value) => +(value < below));
  });
  let waiting = 0;
  effect(() => {
    const address = written(view.value);
    const { dataset } = document.documentElement;
    clearTimeout(waiting);
    dataset.address = "waiting";
    // browsers allow a page so many changes of its address; a slider makes more
    waiting = setTimeout(() => {
      if (address !== location.hash) history.replaceState(null, "", address);
      dataset.address = "written";
    }, PAUSE);
  });
  addEventListener("hashchange", (event) => {
    const { view: other, lost } = read(model, new URL(event.newURL).hash); // the pause may have written an older one since
    batch(() => {
      view.value = other;
      notices.value = lost;
    });
  });
  const change = (some: Partial<View>) => {
    view.value = { ...view.peek(), ...some };
  };
  return {
    model,
    view,
    notices,
    hovered: signal(-1),
    chosen,
    rows,
    rejected,
    colouring: computed(() => colouring(model, colour.value, theme.value === "dark")),
    chosenWithout: (...kinds) =>
      combined(
        model.count,
        masks.value.filter(({ condition }) => !kinds.includes(condition.kind)).map(({ mask }) => mask),
      ),
    field: (key) => model.fields.get(key),
    of: (run, name) => model.fields.get(`${run}:${name}`),
    change,
    changeSide: (number, some) =>
      change({ sides: view.peek().sides.map((side, i) => (i === number ? { ...side, ...some } : side)) }),
    choose: (condition) =>
      change({ conditions: [...view.peek().conditions.filter((each) => !same(each, condition)), condition] }),
    drop: (number) => change({ conditions: view.peek().conditions.filter((_, i) => i !== number) }),
  };
}

function same(one: Condition, other: Condition): boolean {
  if (one.kind !== other.kind) return false;
  if (one.kind === "values" || one.kind === "range" || one.kind === "has") return one.key === (other as typeof one).key;
  return true;
}

export function indices(mask: Uint8Array): Uint32Array {
  let count = 0;
  for (let i = 0; i < mask.length; i++) count += mask[i];
  const found = new Uint32Array(count);
  for (let i = 0, j = 0; i < mask.length; i++) if (mask[i]) found[j++] = i;
  return found;
}

function combined(count: number, masks: (Uint8Array | undefined)[]): Uint8Array {
  const all = new Uint8Array(count).fill(1);
  for (const mask of masks) {
    if (mask) for (let i = 0; i < count; i++) all[i] &= mask[i];
  }
  return all;
}

/** Bytes (sample); undefined until what it needs is read. */
function maskOf(model: Model, condition: Condition): Uint8Array | undefined {
  const mask = new Uint8Array(model.count);
  switch (condition.kind) {
    case "lasso": {
      const places = placesOf(model, condition.plane);
      return places && inside(places, condition.polygon, mask);
    }
    case "cell": {
      const prediction = model.fields.get(`${condition.run}:prediction`)!;
      const target = model.label;
      const [row, column] = [target.code(condition.truth), prediction.code(condition.prediction)];
      const part = model.fields.get(`${condition.run}:part`)!;
      const test = part.code("test");
      for (let i = 0; i < mask.length; i++) {
        mask[i] = +(target.data[i] === row && prediction.data[i] === column && part.data[i] === test);
      }
      return mask;
    }
    case "values": {
      const field = model.fields.get(condition.key)!;
      const wanted = new Set(condition.values.map((value) => field.code(value)));
      for (let i = 0; i < mask.length; i++) mask[i] = +wanted.has(field.data[i]);
      return mask;
    }
    case "range": {
      const { data } = model.fields.get(condition.key)!;
      for (let i = 0; i < mask.length; i++) mask[i] = +(data[i] >= condition.low && data[i] <= condition.high);
      return mask;
    }
    case "has": {
      const field = model.fields.get(condition.key)!;
      for (let i = 0; i < mask.length; i++) mask[i] = +!field.missing(i);
      return mask;
    }
    case "search":
      return searched(model, condition.text, mask);
    case "samples":
      for (const sample of condition.samples) mask[sample] = 1;
      return mask;
    case "changed": {
      const [before, after] = [condition.before, condition.after].map((run) => model.fields.get(`${run}:correct`)!.data);
      const [one, other] = [condition.before, condition.after].map((run) => model.fields.get(`${run}:prediction`)!);
      const [first, second] = [condition.before, condition.after].map((run) => model.fields.get(`${run}:part`)!);
      const [here, there] = [first.code("test"), second.code("test")];
      const same = Int32Array.from(one.values, (value) => other.code(value));
      const holds: (i: number) => boolean = {
        lost: (i: number) => before[i] === 1 && after[i] === 0,
        won: (i: number) => before[i] === 0 && after[i] === 1,
        "both wrong": (i: number) => before[i] === 0 && after[i] === 0,
        "other class": (i: number) => same[one.data[i]] !== other.data[i],
      }[condition.how];
      for (let i = 0; i < mask.length; i++) {
        mask[i] = +(first.data[i] === here && second.data[i] === there && holds(i));
      }
      return mask;
    }
  }
}

/** Samples whose id or label, or any fact, holds the text, whatever its case. */
function searched(model: Model, text: string, mask: Uint8Array): Uint8Array {
  const wanted = text.toLowerCase();
  const facts = [...model.fields.values()].filter((field) => field.key.startsWith("fact:") && field.kind === "category");
  const held = facts.map((field) => field.values.map((value) => value.toLowerCase().includes(wanted)));
  for (let i = 0; i < mask.length; i++) {
    mask[i] = +(model.ids[i].toLowerCase().includes(wanted) || facts.some((field, j) => held[j][field.data[i]]));
  }
  return mask;
}

/** The even-odd rule. */
function inside(places: Places, polygon: number[], mask: Uint8Array): Uint8Array {
  const { x, y } = places;
  const corners = polygon.length / 2;
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let c = 0; c < corners; c++) {
    left = Math.min(left, polygon[2 * c]);
    right = Math.max(right, polygon[2 * c]);
    low = Math.min(low, polygon[2 * c + 1]);
    high = Math.max(high, polygon[2 * c + 1]);
  }
  for (let i = 0; i < mask.length; i++) {
    const [px, py] = [x[i], y[i]];
    if (!(px >= left && px <= right && py >= low && py <= high)) continue;
    let within = false;
    for (let c = 0, d = corners - 1; c < corners; d = c++) {
      const [cy, dy] = [polygon[2 * c + 1], polygon[2 * d + 1]];
      if (cy > py !== dy > py) {
        const [cx, dx] = [polygon[2 * c], polygon[2 * d]];
        if (px < ((dx - cx) * (py - cy)) / (dy - cy) + cx) within = !within;
      }
    }
    mask[i] = +within;
  }
  return mask;
}
