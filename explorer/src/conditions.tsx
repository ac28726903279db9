/** Which samples are chosen, and by what: each condition can be taken away. */

import { count } from "./controls.tsx";
import { shownNumber } from "./contents.ts";
import { useStore } from "./context.ts";
import type { Store } from "./store.ts";
import { CHANGES, type Condition } from "./view.ts";

export function words(store: Store, condition: Condition): string {
  const { runs } = store.model.contents;
  const of = (key: string) => {
    const run = /^(\d+):/.exec(key);
    const name = store.field(key)!.name.replace("subset:", "");
    return run && runs.length > 1 ? `${name} (${runs[Number(run[1])].name})` : name;
  };
  switch (condition.kind) {
    case "lasso":
      return `lasso in ${condition.plane.space}`;
    case "cell":
      return condition.truth === condition.prediction
        ? `${condition.truth} recognised`
        : `${condition.truth} taken for ${condition.prediction}${runs.length > 1 ? ` (${runs[condition.run].name})` : ""}`;
    case "values":
      return `${of(condition.key)}: ${condition.values.slice(0, 3).join(", ")}${condition.values.length > 3 ? ` and ${condition.values.length - 3} more` : ""}`;
    case "range": {
      const ends = [condition.low > -1e30 ? shownNumber(condition.low) : "", condition.high < 1e30 ? shownNumber(condition.high) : ""];
      return `${of(condition.key)}: ${ends[0]} – ${ends[1]}`;
    }
    case "has":
      return `has ${of(condition.key)}`;
    case "search":
      return `“${condition.text}”`;
    case "samples":
      return `${condition.samples.length} samples`;
    case "changed":
      return changed(condition.how, runs[condition.before].name, runs[condition.after].name);
  }
}

function changed(how: string, before: string, after: string): string {
  return {
    lost: `right in ${before}, wrong in ${after}`,
    won: `wrong in ${before}, right in ${after}`,
    "both wrong": `wrong in ${before} and ${after}`,
    "other class": `${before} and ${after} disagree`,
  }[how]!;
}

export function Conditions() {
  const store = useStore();
  const { model, view, rows } = store;
  const search = view.value.conditions.find((each) => each.kind === "search");
  const number = search ? view.value.conditions.indexOf(search) : -1;
  return (
    <section class="conditions" aria-label="Chosen samples">
      <input type="search" placeholder="search ids, labels, facts" aria-label="Search" value={search?.kind === "search" ? search.text : ""}
        onInput={(event) => {
          const text = event.currentTarget.value;
          if (text) store.choose({ kind: "search", text });
          else if (number >= 0) store.drop(number);
        }} />
      <output aria-live="polite" id="chosen">{count(rows.value.length)} of {count(model.count)} samples</output>
      {view.value.conditions.map((condition, i) => (
        <button key={i} type="button" class="condition" title="Take this condition away" onClick={() => store.drop(i)}>
          {words(store, condition)} <span aria-hidden="true">×</span>
        </button>
      ))}
      {view.value.conditions.length > 1 && <button type="button" class="condition all" onClick={() => store.change({ conditions: [] })}>all samples</button>}
    </section>
  );
}

/** Of two runs: what the second gets right that the first does not, and the other way. */
export function Changed() {
  const store = useStore();
  const { model, view } = store;
  const runs = [...new Set(view.value.sides.map((side) => side.run))].filter((run) => store.of(run, "correct"));
  if (runs.length < 2) return null;
  const [before, after] = runs;
  const [one, other] = [before, after].map((run) => store.of(run, "correct")!.data);
  const [first, second] = [before, after].map((run) => store.of(run, "prediction")!);
  const parts = [before, after].map((run) => store.of(run, "part")!);
  const tests = parts.map((part) => part.code("test"));
  const counts = { lost: 0, won: 0, "both wrong": 0, "other class": 0 };
  const chosen = store.chosenWithout("changed");
  const same = Int32Array.from(first.values, (value) => second.code(value));
  for (let i = 0; i < model.count; i++) {
    if (!chosen[i] || parts[0].data[i] !== tests[0] || parts[1].data[i] !== tests[1]) continue;
    if (one[i] === 1 && other[i] === 0) counts.lost++;
    if (one[i] === 0 && other[i] === 1) counts.won++;
    if (one[i] === 0 && other[i] === 0) counts["both wrong"]++;
    if (same[first.data[i]] !== second.data[i]) counts["other class"]++;
  }
  const names = [model.contents.runs[before].name, model.contents.runs[after].name];
  const number = view.value.conditions.findIndex((each) => each.kind === "changed");
  const picked = view.value.conditions[number];
  return (
    <section class="changed" aria-label="What changed">
      <h3>What changed</h3>
      <ul>
        {CHANGES.map((how) => {
          const on = picked?.kind === "changed" && picked.how === how;
          return (
            <li key={how}>
              <button type="button" aria-pressed={on} data-changed={how} onClick={() => (on ? store.drop(number) : store.choose({ kind: "changed", before, after, how }))}>
                <b>{count(counts[how])}</b> {changed(how, names[0], names[1])}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
