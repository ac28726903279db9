/** Shortcuts to what is worth a look: suspected labels, copies, confident mistakes. */

import { useMemo } from "preact/hooks";
import { count } from "./controls.tsx";
import { useStore } from "./context.ts";
import type { Store } from "./store.ts";
import type { Condition } from "./view.ts";

const SURE = 0.9;

interface Shortcut {
  words: string;
  conditions: Condition[];
  found: number;
}

function shortcuts(store: Store): Shortcut[] {
  const { model } = store;
  const { runs } = model.contents;
  const found: Shortcut[] = [];
  const number = (holds: (i: number) => boolean) => {
    let all = 0;
    for (let i = 0; i < model.count; i++) all += +holds(i);
    return all;
  };
  runs.forEach((run, i) => {
    const name = runs.length > 1 ? ` (${run.name})` : "";
    const [correct, confidence] = [store.of(i, "correct"), store.of(i, "confidence")];
    if (correct && confidence) {
      found.push({
        words: `wrong, and sure of it${name}`,
        conditions: [
          { kind: "values", key: correct.key, values: ["no"] },
          { kind: "range", key: confidence.key, low: SURE, high: 1 },
        ],
        found: number((s) => correct.data[s] === 0 && confidence.data[s] >= SURE && confidence.data[s] <= 1),
      });
    }
    const space = run.maps.findLast((map) => map.method === "t-SNE")?.space;
    const hit = run.retrieval ? store.of(i, `first_hit@${space}`) : undefined;
    const part = store.of(i, "part")!;
    if (hit) {
      const test = part.code("test");
      found.push({
        words: `nearest in ${space} is of another class${name}`,
        conditions: [
          { kind: "values", key: part.key, values: ["test"] },
          { kind: "range", key: hit.key, low: 2, high: model.count },
        ],
        found: number((s) => part.data[s] === test && hit.data[s] >= 2),
      });
    }
    const suspect = store.of(i, "suspect");
    if (suspect) {
      found.push({
        words: `label suspected to be wrong${name}`,
        conditions: [{ kind: "values", key: suspect.key, values: ["yes"] }],
        found: number((s) => suspect.data[s] === 1),
      });
    }
  });
  const copies = store.field("fact:copies");
  if (copies) {
    found.push({
      words: "look the same as another",
      conditions: [{ kind: "has", key: copies.key }],
      found: number((s) => !copies.missing(s)),
    });
  }
  return found.filter((each) => each.found > 0);
}

export function Worth() {
  const store = useStore();
  const { view } = store;
  const all = useMemo(() => shortcuts(store), [store]);
  if (!all.length) return null;
  const now = JSON.stringify(view.value.conditions);
  return (
    <section class="changed" aria-label="Worth a look">
      <h3>Worth a look</h3>
      <ul>
        {all.map(({ words, conditions, found }) => {
          const on = JSON.stringify(conditions) === now;
          return (
            <li key={words}>
              <button type="button" aria-pressed={on} data-worth={words} onClick={() => store.change({ conditions: on ? [] : conditions })}>
                <b>{count(found)}</b> {words}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
