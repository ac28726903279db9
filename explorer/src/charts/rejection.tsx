/** Known against unknown objects by a score: the curve, and a threshold that greys out what it would reject. */

import { useComputed } from "@preact/signals";
import { Choice, count, percent } from "../controls.tsx";
import { shownNumber } from "../contents.ts";
import { useStore } from "../context.ts";
import { Frame, path, scale } from "./plot.tsx";

const APART = 0.004; // corners of the curve

export function Rejection() {
  const store = useStore();
  const { model, view } = store;
  const scores = useComputed(() => {
    const prefix = `${view.value.run}:score:`;
    return [...model.fields.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  });
  const name = useComputed(() => (scores.value.includes(view.value.score) ? view.value.score : scores.value[0]));
  const run = useComputed(() => view.value.run);
  /** Known and unknown test samples in the order of their scores. */
  const ordered = useComputed(() => {
    const field = store.of(run.value, `score:${name.value}`);
    if (!field) return null;
    const part = store.of(run.value, "part")!;
    const of = (wanted: string) => {
      const code = part.code(wanted);
      const found: number[] = [];
      for (let i = 0; i < model.count; i++) if (part.data[i] === code && !field.missing(i)) found.push(i);
      return Uint32Array.from(found).sort((one, other) => field.data[one] - field.data[other]);
    };
    return { known: of("test"), strange: of("confusers"), scores: field.data };
  });
  /** Scores of those that are chosen, ascending, and the curve. */
  const found = useComputed(() => {
    if (!ordered.value) return null;
    const { scores } = ordered.value;
    const chosen = store.chosen.value;
    const of = (samples: Uint32Array) => {
      const kept = new Float32Array(samples.length);
      let length = 0;
      for (const sample of samples) if (chosen[sample]) kept[length++] = scores[sample];
      return kept.subarray(0, length);
    };
    const [known, strange] = [of(ordered.value.known), of(ordered.value.strange)];
    const all = new Float32Array(known.length + strange.length);
    all.set(known);
    all.set(strange, known.length);
    return { known, strange, all: all.sort(), ...roc(known, strange) };
  });
  if (!name.value || !found.value) return null;
  const { known, strange, all, curve, area } = found.value;
  if (!known.length || !strange.length) {
    return (
      <figure class="chart" data-chart="rejection">
        <h3>Rejection of unknown objects</h3>
        <p class="hint">Needs chosen samples of both the test classes and the confusers.</p>
      </figure>
    );
  }
  const of = scale([0, 100], [0, 100]);
  const { threshold } = view.value;
  const kept = (scores: Float32Array) => (threshold === null ? 1 : 1 - below(scores, threshold) / scores.length);
  const set = (accepted: number) => {
    const share = Math.min(1, Math.max(0, accepted / 100));
    const at = Math.min(strange.length - 1, Math.max(0, Math.round((1 - share) * strange.length)));
    store.change({ threshold: share >= 1 ? null : strange[at], score: name.peek() });
  };
  const position = threshold === null ? 0 : below(all, threshold) / all.length;
  return (
    <figure class="chart" data-chart="rejection">
      <h3>Rejection of unknown objects <small>area {area.toFixed(3)}; {count(known.length)} known, {count(strange.length)} unknown</small></h3>
      <Choice label="Score of rejection" value={name.value} options={scores.value.map((each) => [each, each.replaceAll("_", " ")])}
        onChange={(score) => store.change({ score, threshold: null })} />
      <Frame of={of} x={[0, 20, 40, 60, 80, 100]} y={[0, 100]} across="unknown objects accepted, %" up="known objects kept, %"
        name={`Known objects kept against unknown objects accepted, by ${name.value}`} onPointer={(x) => set(of.back(x))}>
        <line class="grid" x1={of.x(0)} y1={of.y(0)} x2={of.x(100)} y2={of.y(100)} />
        <path class="line" stroke="var(--accent)" d={path(curve.map(([x, y]) => [of.x(100 * x), of.y(100 * y)]))} />
        <circle class="handle" r={7} cx={of.x(100 * kept(strange))} cy={of.y(100 * kept(known))} />
      </Frame>
      <label class="threshold">
        <span>threshold</span>
        <input type="range" min={0} max={1} step={0.001} value={position} aria-label="Threshold of rejection"
          aria-valuetext={threshold === null ? "none" : shownNumber(threshold)}
          onInput={(event) => {
            const share = Number(event.currentTarget.value);
            store.change({ threshold: share <= 0 ? null : all[Math.min(all.length - 1, Math.floor(share * all.length))], score: name.peek() });
          }} />
      </label>
      <p class="hint" data-known={kept(known)} data-unknown={kept(strange)}>
        {threshold === null
          ? "Drag the point, or the slider: samples that score lower are greyed out on the maps."
          : `Below ${shownNumber(threshold)} is rejected: ${percent(kept(known))} of known objects are kept, ${percent(kept(strange))} of unknown ones accepted.`}
      </p>
    </figure>
  );
}

/** How many of ascending scores lie below a threshold. */
function below(scores: Float32Array, threshold: number): number {
  let [low, high] = [0, scores.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (scores[middle] < threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Accepted unknowns and kept knowns at so many thresholds as a drawing shows, and the exact area; ties count half. */
export function roc(known: Float32Array, strange: Float32Array): { curve: [number, number][]; area: number } {
  const curve: [number, number][] = [[0, 0]];
  let [i, j, area, before, height] = [known.length - 1, strange.length - 1, 0, 0, 0];
  let [left, low] = [0, 0]; // the last corner
  while (i >= 0 || j >= 0) {
    const value = Math.max(i >= 0 ? known[i] : -Infinity, j >= 0 ? strange[j] : -Infinity);
    while (i >= 0 && known[i] === value) i--;
    while (j >= 0 && strange[j] === value) j--;
    const [x, y] = [1 - (j + 1) / strange.length, 1 - (i + 1) / known.length];
    area += ((x - before) * (y + height)) / 2;
    [before, height] = [x, y];
    if (x - left + y - low >= APART || (i < 0 && j < 0)) {
      curve.push([x, y]);
      [left, low] = [x, y];
    }
  }
  return { curve, area };
}
