/** Accuracy by subset: the audit's with its interval, that of the chosen samples beside it; a row chooses its subset. */

import { useComputed } from "@preact/signals";
import { count, percent, wilson } from "../controls.tsx";
import { useStore } from "../context.ts";

export function Subsets() {
  const store = useStore();
  const { model, view } = store;
  const rows = useComputed(() => {
    const { run } = view.value;
    const here = model.contents.runs[run];
    const correct = store.of(run, "correct");
    if (!correct || !here.tables.accuracy) return [];
    const chosen = store.chosenWithout();
    const part = store.of(run, "part")!;
    const test = part.code("test");
    return here.tables.accuracy
      .filter((row) => row.weights === here.weights && row.view === here.views.stored)
      .map((row) => {
        const field = store.of(run, `subset:${row.subset}`);
        let [right, of] = [0, 0];
        for (let i = 0; i < model.count; i++) {
          if (!chosen[i] || part.data[i] !== test || (field && field.data[i] !== 1)) continue;
          of++;
          right += +(correct.data[i] === 1);
        }
        return { name: String(row.subset), key: field?.key, n: Number(row.n), accuracy: Number(row.accuracy), low: Number(row.low), high: Number(row.high), right, of };
      });
  });
  if (!rows.value.length) return null;
  const least = Math.min(...rows.value.map((row) => row.low));
  const base = Math.max(0, Math.floor(10 * least - 0.5) / 10);
  const x = (share: number) => `${(100 * (Math.max(base, share) - base)) / (1 - base || 1)}%`;
  const some = view.value.conditions.length > 0;
  return (
    <figure class="chart" data-chart="subsets">
      <h3>Accuracy by subset <small>{percent(base)} to 100 %; bars: 95 % intervals{some ? "; ringed: the chosen samples" : ""}</small></h3>
      <ul class="subsets">
        {rows.value.map((row) => {
          const number = view.value.conditions.findIndex((each) => each.kind === "values" && each.key === row.key);
          const [low, high] = wilson(row.right, row.of);
          return (
            <li key={row.name}>
              <button type="button" disabled={!row.key} aria-pressed={number >= 0} data-subset={row.name}
                title={`${row.name}: ${percent(row.accuracy)} [${percent(row.low)}, ${percent(row.high)}] of ${count(row.n)}`}
                onClick={() => (number >= 0 ? store.drop(number) : store.choose({ kind: "values", key: row.key!, values: ["yes"] }))}>
                <span class="name">{row.name}</span>
                <span class="track">
                  <i class="interval" style={{ left: x(row.low), right: `calc(100% - ${x(row.high)})` }} />
                  <i class="dot" style={{ left: x(row.accuracy) }} />
                  {some && row.of > 0 && <i class="interval chosen" style={{ left: x(low), right: `calc(100% - ${x(high)})` }} />}
                  {some && row.of > 0 && <i class="dot chosen" style={{ left: x(row.right / row.of) }} />}
                </span>
                <span class="figure">{percent(row.accuracy)}</span>
                <span class="figure chosen" data-right={row.right} data-of={row.of}>{some ? (row.of ? percent(row.right / row.of) : "–") : count(row.n)}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
