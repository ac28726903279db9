/** Known against unknown objects by a score: the curve, and a threshold that greys out what it would reject. */

import { useComputed } from "@preact/signals";
import { Choice, count, percent } from "../controls.tsx";
import { shownNumber } from "../contents.ts";
import { useStore } from "../context.ts";
import { Frame, path, scale } from "./plot.tsx";

const MOST_CORNERS = 400;

export function Rejection() {
  const store = useStore();
  const { model, view } = store;
  const scores = useComputed(() => {
    const prefix = `${view.value.run}:score:`;
    return [...model.fields.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  });
  const name = useComputed(() => (scores.value.includes(view.value.score) ? view.value.score : scores.value[0]));
  /** Scores of the chosen known and unknown test samples, ascending. */
  const pair = useComputed(() => {
    const { run } = view.value;
    const field = store.of(run, `score:${name.value}`);
    if (!field) return null;
    const part = store.of(run, "part")!;
    const chosen = store.chosenWithout();
    const of = (wanted: string) => {
      const code = part.code(wanted);
      const found: number[] = [];
      for (let i = 0; i < model.count; i++) {
        if (chosen[i] && part.data[i] === code && !Number.isNaN(field.data[i])) found.push(field.data[i]);
      }
      return Float32Array.from(found).sort();
    };
    return { known: of("test"), strange: of("confusers") };
  });
  if (!name.value || !pair.value) return null;
  const { known, strange } = pair.value;
  if (!known.length || !strange.length) {
    return (
      <figure class="chart" data-chart="rejection">
        <h3>Rejection of unknown objects</h3>
        <p class="hint">Needs chosen samples of both the test classes and the confusers.</p>
      </figure>
    );
  }
  const { curve, area } = roc(known, strange);
  const of = scale([0, 100], [0, 100]);
  const { threshold } = view.value;
  const kept = (scores: Float32Array) => (threshold === null ? 1 : 1 - below(scores, threshold) / scores.length);
  const set = (accepted: number) => {
    const share = Math.min(1, Math.max(0, accepted / 100));
    const at = Math.min(strange.length - 1, Math.max(0, Math.round((1 - share) * strange.length)));
    store.change({ threshold: share >= 1 ? null : strange[at], score: name.peek() });
  };
  const all = Float32Array.from([...known, ...strange]).sort();
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

/** Accepted unknowns and kept knowns at every threshold, and the area below; ties count half. */
export function roc(known: Float32Array, strange: Float32Array): { curve: [number, number][]; area: number } {
  const corners: [number, number][] = [[0, 0]];
  let [i, j, area] = [known.length - 1, strange.length - 1, 0];
  while (i >= 0 || j >= 0) {
    const value = Math.max(i >= 0 ? known[i] : -Infinity, j >= 0 ? strange[j] : -Infinity);
    while (i >= 0 && known[i] === value) i--;
    while (j >= 0 && strange[j] === value) j--;
    const [x, y] = [1 - (j + 1) / strange.length, 1 - (i + 1) / known.length];
    const [before, height] = corners[corners.length - 1];
    area += ((x - before) * (y + height)) / 2;
    corners.push([x, y]);
  }
  const step = Math.max(1, Math.ceil(corners.length / MOST_CORNERS));
  return { curve: corners.filter((_, c) => c % step === 0 || c === corners.length - 1), area };
}
