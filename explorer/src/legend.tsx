/** What the colours mean; a click chooses. */

import { useSignal } from "@preact/signals";
import { RAMP_STYLE } from "./colours.ts";
import { Choice, count } from "./controls.tsx";
import { useStore } from "./context.ts";
import type { Store } from "./store.ts";

const MOST = 200; // entries at once

export function Legend() {
  const store = useStore();
  const { view } = store;
  const wanted = useSignal("");
  const { field, entries, ends, shared } = store.colouring.value;
  const found = view.value.conditions.findIndex((each) => (each.kind === "values" || each.kind === "range") && each.key === field.key);
  const condition = view.value.conditions[found];
  const picked = new Set(condition?.kind === "values" ? condition.values : []);
  const toggle = (name: string) => {
    const next = picked.has(name) ? [...picked].filter((each) => each !== name) : [...picked, name];
    if (next.length) store.choose({ kind: "values", key: field.key, values: next });
    else store.drop(found);
  };
  const matching = entries.filter((entry) => entry.name.toLowerCase().includes(wanted.value.toLowerCase()) && entry.count > 0);
  return (
    <section class="legend" aria-label="Colours">
      <Choice label="Colour" shown value={view.value.colour} options={colourings(store)} onChange={(colour) => store.change({ colour })} />
      {entries.length > 20 && (
        <input type="search" placeholder={`find among ${entries.length}`} aria-label="Find a value" value={wanted.value}
          onInput={(event) => (wanted.value = event.currentTarget.value)} />
      )}
      {ends && <Range key={field.key} />}
      {!ends && (
        <ul>
          {matching.slice(0, MOST).map((entry) => (
            <li key={entry.name}>
              <button type="button" aria-pressed={picked.has(entry.name)} title={`${entry.name}: ${count(entry.count)}`} data-value={entry.name} onClick={() => toggle(entry.name)}>
                <i style={{ background: entry.colour }} /><span class="name">{entry.name || "(empty)"}</span><span class="count">{count(entry.count)}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      {matching.length > MOST && <p class="hint">{count(matching.length - MOST)} more: find them by name.</p>}
      {shared && <p class="hint">More values than colours: some share one. Choose a value to see it alone.</p>}
    </section>
  );
}

function Range() {
  const store = useStore();
  const { field, ends } = store.colouring.value;
  const number = store.view.value.conditions.findIndex((each) => each.kind === "range" && each.key === field.key);
  const condition = store.view.value.conditions[number];
  const [low, high] = condition?.kind === "range" ? [condition.low, condition.high] : [NaN, NaN];
  const set = (from: number, until: number) => {
    const [a, b] = [Number.isFinite(from) ? from : -1e30, Number.isFinite(until) ? until : 1e30];
    if (a === -1e30 && b === 1e30) return number >= 0 && store.drop(number);
    store.choose({ kind: "range", key: field.key, low: Math.min(a, b), high: Math.max(a, b) });
  };
  return (
    <div class="range">
      <span class="ramp" style={{ background: RAMP_STYLE }} />
      <div><span>{ends![0]}</span><span>{ends![1]}</span></div>
      <label>from <input type="number" step="any" aria-label="Lowest" value={Number.isFinite(low) && low > -1e30 ? low : ""} onChange={(event) => set(event.currentTarget.valueAsNumber, high)} /></label>
      <label>to <input type="number" step="any" aria-label="Highest" value={Number.isFinite(high) && high < 1e30 ? high : ""} onChange={(event) => set(low, event.currentTarget.valueAsNumber)} /></label>
    </div>
  );
}

/** Every column that can colour: facts first, then those of each run. */
function colourings(store: Store): [string, string][] {
  const { runs } = store.model.contents;
  return [...store.model.fields.values()].map((field): [string, string] => {
    const run = /^(\d+):/.exec(field.key);
    return [field.key, run && runs.length > 1 ? `${field.name.replaceAll("_", " ")} · ${runs[Number(run[1])].name}` : field.name.replaceAll("_", " ")];
  });
}
