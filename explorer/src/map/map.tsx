/** One map: its controls, its points, and what lies over them. */

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Choice } from "../controls.tsx";
import { neighboursOf } from "../neighbours.ts";
import { ready } from "../pictures.ts";
import { epochsOf, placesOf } from "../planes.ts";
import { useStore } from "../context.ts";
import { theme } from "../theme.ts";
import { CLASS_AXES, firstMethod, type Plane, type Side } from "../view.ts";
import { canvas2d } from "./canvas.ts";
import type { Drawer, Drawn, Frame } from "./drawer.ts";
import { Hover } from "./hover.tsx";
import { namesOf, paintOver } from "./overlay.ts";
import { hasWebgl, webgl } from "./webgl.ts";

const MOST_ON_CANVAS = 20_000;
const MOST_CORNERS = 120;
const STEP = 40; // pixels that an arrow key moves

const plane = ({ run, space, method, epoch, axes }: Side): Plane => ({ run, space, method, epoch, axes });

export function MapOf({ number }: { number: number }) {
  const store = useStore();
  const { model, view } = store;
  const points = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const size = useSignal({ width: 0, height: 0 });
  const frame = useSignal<Frame>({ x0: 0, kx: 1, y0: 0, ky: 1 });
  const drawer = useSignal<Drawer | null>(null);
  const moved = (now: Frame) => {
    const before = frame.peek();
    if (now.x0 !== before.x0 || now.kx !== before.kx || now.y0 !== before.y0 || now.ky !== before.ky) frame.value = now;
  };
  const said = useSignal("");
  const lassoing = useSignal(false);
  const pointed = useSignal(-1); // the sample under the pointer on this map
  const side = useComputed(() => view.value.sides[number] ?? view.value.sides[0]); // on its way out
  const places = useComputed(() => placesOf(model, plane(side.value)));
  const withWebgl = useMemo(hasWebgl, []);

  /** The samples on this map: of its part, with a place. Drawn are all; without WebGL a sample of them, by class. */
  const placed = useComputed(() => {
    const found = places.value;
    if (!found) return [];
    const part = store.of(side.value.run, "part")!;
    const wanted = side.value.part ? part.code(side.value.part) : -1;
    const all: number[] = [];
    for (let i = 0; i < model.count; i++) {
      if (!Number.isNaN(found.x[i]) && (wanted < 0 || part.data[i] === wanted)) all.push(i);
    }
    return all;
  });
  const limited = useComputed(() => !withWebgl && placed.value.length > MOST_ON_CANVAS);
  const rows = useComputed(() => Uint32Array.from(limited.value ? byClass(placed.value, model.label.data) : placed.value));
  /** Where these lie: another object only where the points move. */
  const positions = useComputed(() => {
    const [found, samples] = [places.value, rows.value];
    const [x, y] = [new Float32Array(samples.length), new Float32Array(samples.length)];
    if (found) samples.forEach((sample, j) => ([x[j], y[j]] = [found.x[sample], found.y[sample]]));
    return { x, y };
  });
  const names = useComputed(() => (places.value ? namesOf(store.colouring.value.field, rows.value, places.value) : []));
  const held = useComputed(() => {
    if (withWebgl || !places.value) return "";
    const [shown, all] = [rows.value.length, placed.value.length].map((each) => each.toLocaleString("en"));
    const some = limited.value ? `${shown} of ${all} points drawn, the same share of each class. ` : "";
    return `${some}This browser has no WebGL: a plain canvas draws. `;
  });

  useEffect(() => {
    const box = place.current!;
    const { width, height } = box.getBoundingClientRect();
    size.value = { width, height };
    const make = withWebgl ? webgl : canvas2d;
    const made = make(points.current!, width, height, {
      moved,
      over: (point) => (pointed.value = store.hovered.value = point < 0 ? -1 : rows.peek()[point]),
      clicked: (point) => store.change({ focus: rows.peek()[point] }),
      lassoed: (polygon) => {
        const rounded = thinned(polygon).map((value) => Math.round(value * 1e4) / 1e4);
        if (rounded.length >= 6) store.choose({ kind: "lasso", plane: plane(side.peek()), polygon: rounded });
        lassoing.value = false;
        made.lasso(false);
      },
    });
    drawer.value = made;
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (width < 10 || (width === size.peek().width && height === size.peek().height)) return;
      size.value = { width, height };
      made.resize(width, height);
      moved(made.frame());
    });
    observer.observe(box);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, []);

  const before = useRef<{ key: string; x: Float32Array }>({ key: "", x: new Float32Array() });
  const draws = useRef(0);
  useSignalEffect(() => {
    const found = places.value;
    const made = drawer.value;
    const { codes, palette } = store.colouring.value;
    const [chosen, rejected, samples] = [store.chosen.value, store.rejected.value, rows.value];
    if (!made || !found) return;
    const drawn: Drawn = {
      ...positions.value,
      codes: new Uint8Array(samples.length),
      strong: new Uint8Array(samples.length),
      palette,
      size: samples.length > 200_000 ? 2 : samples.length > 20_000 ? 3 : 6,
      opacity: samples.length > 20_000 ? 0.6 : 0.85,
    };
    for (let j = 0; j < samples.length; j++) {
      const i = samples[j];
      const strong = chosen[i] && !rejected?.[i];
      drawn.strong[j] = strong ? 1 : 0;
      drawn.codes[j] = strong ? codes[i] : palette.length - 1;
    }
    const shown = side.peek();
    const { run, space, method, part } = shown;
    const key = [run, space, method, part].join("|");
    const glides = before.current.key === key && before.current.x !== drawn.x;
    before.current = { key, x: drawn.x };
    void made.draw(drawn, glides && !matchMedia("(prefers-reduced-motion: reduce)").matches).then(() => {
      moved(made.frame());
      place.current?.setAttribute("data-drawn", String(samples.length));
      place.current?.setAttribute("data-strong", String(drawn.strong.reduce((sum, each) => sum + each, 0)));
      place.current?.setAttribute("data-plane", JSON.stringify(shown));
      place.current?.setAttribute("data-draws", String(++draws.current));
    });
  });

  useSignalEffect(() => {
    const found = places.value;
    const { width, height } = size.value;
    void ready.value;
    if (!found || !width) return;
    const now = view.value;
    const neighbours = now.focus >= 0 ? neighboursOf(model, side.value.run, side.value.space, now.focus) : undefined;
    const dark = theme.value === "dark";
    place.current!.dataset.frame = Object.values(frame.value).join();
    paintOver(above.current!, width, height, frame.value, {
      model,
      places: found,
      rows: rows.value,
      chosen: store.chosen.value,
      colouring: store.colouring.value,
      names: names.value,
      pictures: now.marks === "pictures",
      focus: now.focus,
      hovered: store.hovered.value,
      neighbours: neighbours?.map(({ sample }) => sample) ?? [],
      lassos: now.conditions.flatMap((each) =>
        each.kind === "lasso" && JSON.stringify(each.plane) === JSON.stringify(plane(side.value)) ? [each.polygon] : [],
      ),
      diagonal: side.value.method === CLASS_AXES,
      ink: dark ? "#e6e9ef" : "#1f2430",
      paper: dark ? "#171b22" : "#ffffff",
    });
  });

  /** The point nearest in a direction from the one in focus. */
  function step(right: number, down: number) {
    const found = places.peek();
    if (!found || !rows.peek().length) return;
    const { focus } = view.peek();
    const { kx, ky } = frame.peek();
    if (focus < 0 || Number.isNaN(found.x[focus])) return store.change({ focus: rows.peek()[0] });
    let [best, next] = [Infinity, -1];
    for (const i of rows.peek()) {
      const [dx, dy] = [(found.x[i] - found.x[focus]) * kx, (found.y[i] - found.y[focus]) * ky];
      const along = dx * right + dy * down;
      const across = Math.abs(dx * down) + Math.abs(dy * right);
      if (i === focus || along <= 0 || across > along * 1.5) continue;
      const cost = along + 2 * across;
      if (cost < best) [best, next] = [cost, i];
    }
    if (next >= 0) store.change({ focus: next });
  }

  function onKey(event: KeyboardEvent) {
    const made = drawer.peek();
    if (!made) return;
    const arrows: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) made.pan(-arrow[0] * STEP, -arrow[1] * STEP);
    else if (arrow) step(...arrow);
    else if (event.key === "+" || event.key === "=") made.zoom(1.25);
    else if (event.key === "-") made.zoom(0.8);
    else if (event.key === "0") made.reset();
    else return;
    event.preventDefault();
    moved(made.frame());
  }

  const { run, space, method, epoch, axes, part } = side.value;
  const runs = model.contents.runs;
  const here = runs[run];
  const methods = [
    ...here.maps.filter((map) => map.space === space).map((map) => map.method),
    ...(here.logits ? [CLASS_AXES] : []),
  ];
  const epochs = epochsOf(model, side.value);
  const parts = store.of(run, "part")!.values;
  const letter = "AB"[number];
  const words = here.maps.find((map) => map.space === space && map.method === method)?.said;
  said.value = method === CLASS_AXES ? "Logits of two classes; above the diagonal the second is larger." : `${words}.${method === "t-SNE" ? " Neighbours mean something; the size of clusters and the distance between them do not." : ""}`;
  const change = (some: Partial<Side>) => store.changeSide(number, some);
  const toEpoch = (some: Partial<Side>) => {
    const next = { ...view.peek().sides[number], ...some };
    const known = epochsOf(model, next);
    change({ ...some, epoch: known.includes(next.epoch) ? next.epoch : null });
  };
  const name = `${here.name}, ${method === CLASS_AXES ? "class axes" : space}`;
  return (
    <section class="map" aria-label={`Map ${letter}: ${name}`} data-map={letter}>
      <div class="controls">
        {runs.length > 1 && (
          <Choice
            label={`Run of map ${letter}`}
            value={String(run)}
            options={runs.map((each, i) => [String(i), each.name])}
            onChange={(value) => {
              const next = Number(value);
              const spaces = Object.keys(runs[next].spaces);
              const kept = spaces.includes(space) ? space : spaces.at(-1)!;
              const known = runs[next].maps.some((map) => map.space === kept && map.method === method);
              const classes = method === CLASS_AXES && runs[next].logits;
              toEpoch({ run: next, space: kept, method: known || classes ? method : firstMethod(model, next, kept), axes: [0, 1] });
            }}
          />
        )}
        <Choice
          label={`Space of map ${letter}`}
          value={space}
          options={Object.entries(here.spaces).map(([each, dimension]) => [each, `${each} (${dimension})`])}
          onChange={(value) => {
            const known = here.maps.some((map) => map.space === value && map.method === method);
            toEpoch({ space: value, method: known || method === CLASS_AXES ? method : firstMethod(model, run, value) });
          }}
          disabled={method === CLASS_AXES}
        />
        <Choice
          label={`Projection of map ${letter}`}
          value={method}
          options={methods.map((each) => [each, each])}
          onChange={(value) => toEpoch({ method: value })}
        />
        {method === CLASS_AXES &&
          ([0, 1] as const).map((axis) => (
            <Choice
              key={axis}
              label={axis ? `Vertical class of map ${letter}` : `Horizontal class of map ${letter}`}
              value={String(axes[axis])}
              options={here.classes.map((each, i) => [String(i), `${axis ? "↑" : "→"} ${each}`])}
              onChange={(value) => change({ axes: axis ? [axes[0], Number(value)] : [Number(value), axes[1]] })}
            />
          ))}
        {parts.length > 1 && (
          <Choice
            label={`Part on map ${letter}`}
            value={part}
            options={[["", "all parts"], ...parts.map((each): [string, string] => [each, each])]}
            onChange={(value) => change({ part: value })}
          />
        )}
      </div>
      <div class="plot" ref={place} data-webgl={withWebgl}>
        <canvas ref={points} class="points" tabIndex={0} role="img" onKeyDown={onKey}
          aria-label={`${rows.value.length.toLocaleString("en")} samples, ${name}. Arrow keys go from sample to sample, plus and minus zoom.`} />
        <canvas ref={above} class="above" aria-hidden="true" />
        {method === CLASS_AXES && (
          <>
            <span class="axis across">logit of {here.classes[axes[0]]} →</span>
            <span class="axis up">logit of {here.classes[axes[1]]} →</span>
          </>
        )}
        <div class="tools">
          <button type="button" aria-pressed={lassoing.value} title="Draw around samples to choose them (or hold Shift)"
            onClick={() => {
              lassoing.value = !lassoing.value;
              drawer.peek()!.lasso(lassoing.value);
            }}>lasso</button>
          <button type="button" aria-label="Zoom in" onClick={() => (drawer.peek()!.zoom(1.4), moved(drawer.peek()!.frame()))}>+</button>
          <button type="button" aria-label="Zoom out" onClick={() => (drawer.peek()!.zoom(1 / 1.4), moved(drawer.peek()!.frame()))}>−</button>
          <button type="button" aria-label="Whole map" onClick={() => (drawer.peek()!.reset(), moved(drawer.peek()!.frame()))}>⤢</button>
        </div>
        <Hover sample={pointed} places={places} frame={frame} size={size} />
        {!places.value && <p class="opening">reading …</p>}
      </div>
      {epochs.length > 1 && (
        <label class="epochs">
          <span>{epoch === null ? `audited weights (${here.weights})` : `epoch ${epoch}`}</span>
          <input type="range" min={0} max={epochs.length - 1} value={epochs.indexOf(epoch)} aria-label={`Epoch of map ${letter}`}
            aria-valuetext={epoch === null ? "audited weights" : `epoch ${epoch}`}
            onInput={(event) => change({ epoch: epochs[Number(event.currentTarget.value)] })} />
        </label>
      )}
      <p class="note">{held.value}{said.value}</p>
    </section>
  );
}

/** At most so many corners: an address has to fit into a mail. */
function thinned(polygon: number[]): number[] {
  const step = Math.ceil(polygon.length / 2 / MOST_CORNERS);
  return polygon.filter((_, i) => Math.floor(i / 2) % step === 0);
}

/** At most so many samples, the same share of every class. */
function byClass(all: number[], labels: ArrayLike<number>): number[] {
  const groups = new Map<number, number[]>();
  for (const i of all) {
    const group = groups.get(labels[i]);
    if (group) group.push(i);
    else groups.set(labels[i], [i]);
  }
  const share = MOST_ON_CANVAS / all.length;
  const found: number[] = [];
  for (const group of groups.values()) {
    const wanted = Math.max(1, Math.round(group.length * share));
    for (let j = 0; j < wanted; j++) found.push(group[Math.floor((j * group.length) / wanted)]);
  }
  return found.sort((one, other) => one - other);
}
