/** Recall at k of the chosen test samples in every space: how far away the nearest sample of the same class is. */

import { useComputed } from "@preact/signals";
import { count, percent } from "../controls.tsx";
import { useStore } from "../context.ts";
import { Frame, path, scale } from "./plot.tsx";

const RANKS = [1, 2, 4, 8, 16, 32];

export function Recall() {
  const store = useStore();
  const { model, view } = store;
  const lines = useComputed(() => {
    const { run } = view.value;
    const here = model.contents.runs[run];
    const part = store.of(run, "part")!;
    const test = part.code("test");
    const chosen = store.chosenWithout();
    return Object.keys(here.spaces).flatMap((space, i) => {
      const hit = store.of(run, `first_hit@${space}`);
      if (!hit) return [];
      const within = RANKS.map(() => 0);
      let asked = 0;
      for (let s = 0; s < model.count; s++) {
        const rank = hit.data[s];
        if (!chosen[s] || part.data[s] !== test || !(rank > 0)) continue;
        asked++;
        for (let k = 0; k < RANKS.length; k++) within[k] += +(rank <= RANKS[k]);
      }
      return [{ space, colour: model.contents.colours[i % model.contents.colours.length], asked, shares: within.map((each) => each / asked) }];
    });
  });
  const drawn = lines.value.filter((line) => line.asked > 0);
  if (!lines.value.length) return null;
  const least = Math.min(0.9, ...drawn.flatMap((line) => line.shares));
  const low = Math.max(0, Math.floor(10 * least) / 10);
  const of = scale([1, 32], [100 * low, 100], true);
  return (
    <figure class="chart" data-chart="recall">
      <h3>Recall at k by space <small>{count(drawn[0]?.asked ?? 0)} queries among the test samples</small></h3>
      <Frame of={of} x={RANKS} y={[100 * low, 100]} across="k nearest" up="recall, %" name="Recall at k by space">
        {drawn.map((line) => (
          <path key={line.space} class="line" data-space={line.space} data-shares={line.shares.join()} stroke={line.colour} d={path(line.shares.map((share, k) => [of.x(RANKS[k]), of.y(100 * share)]))}>
            <title>{line.space}</title>
          </path>
        ))}
      </Frame>
      <ul class="key">
        {[...drawn].sort((one, other) => other.shares[0] - one.shares[0]).map((line) => (
          <li key={line.space}>
            <button type="button" data-space={line.space} data-recall={line.shares[0]} title={`Show ${line.space} on map A`}
              onClick={() => {
                const maps = model.contents.runs[view.peek().run].maps.filter((map) => map.space === line.space);
                store.changeSide(0, { run: view.peek().run, space: line.space, method: maps[0].method, epoch: null });
              }}>
              <i style={{ background: line.colour }} />{line.space} {percent(line.shares[0])}
            </button>
          </li>
        ))}
      </ul>
    </figure>
  );
}
