/** The chosen samples as a table: sorted by any column, only the visible rows drawn, exported as CSV. */

import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { count } from "./controls.tsx";
import type { Field } from "./contents.ts";
import { useStore } from "./context.ts";
import type { Store } from "./store.ts";

const LINE = 28; // pixels
const VISIBLE = 14; // lines
const COLLATED = 50_000; // ids in the order of their numbers; of more, letter by letter: that takes seconds less
const SPARE = 6; // lines above and below

export function Table() {
  const store = useStore();
  const { model, view } = store;
  const scrolled = useSignal(0);
  const box = useRef<HTMLDivElement>(null);
  const fields = useComputed(() => columns(store));
  const sort = useComputed(() => view.value.sort);
  const order = useComputed(() => sorted(store, store.rows.value, sort.value.key, sort.value.down));
  const samples = order.value;
  const first = Math.max(0, Math.floor(scrolled.value / LINE) - SPARE);
  const shown = Array.from(samples.subarray(first, first + VISIBLE + 2 * SPARE));
  const by = (key: string) => store.change({ sort: { key, down: view.peek().sort.key === key ? !view.peek().sort.down : false } });
  const head = (key: string, name: string) => (
    <th key={key} aria-sort={sort.value.key === key ? (sort.value.down ? "descending" : "ascending") : "none"}>
      <button type="button" data-sort={key} onClick={() => by(key)}>{name}{sort.value.key === key ? (sort.value.down ? " ↓" : " ↑") : ""}</button>
    </th>
  );
  const many = model.contents.runs.length > 1;
  return (
    <section class="samples" aria-label="Samples">
      <header>
        <h2>{count(samples.length)} samples</h2>
        <button type="button" id="export" onClick={() => exported(store, samples)}>export CSV</button>
      </header>
      <div class="scroll" ref={box} style={{ maxHeight: `${LINE * (VISIBLE + 1)}px` }} onScroll={(event) => (scrolled.value = event.currentTarget.scrollTop)}>
        <table aria-rowcount={samples.length + 1}>
          <thead>
            <tr>{head("id", "id")}{fields.value.map((field) => head(field.key, many && /^\d+:/.test(field.key) ? `${field.name} · ${model.contents.runs[parseInt(field.key)].name}` : field.name))}</tr>
          </thead>
          <tbody onPointerLeave={() => (store.hovered.value = -1)}>
            {first > 0 && <tr style={{ height: `${first * LINE}px` }} aria-hidden="true" />}
            {shown.map((sample, i) => (
              <tr key={sample} aria-rowindex={first + i + 2} data-sample={sample} class={sample === view.value.focus ? "focus" : ""}
                onClick={() => store.change({ focus: sample })} onPointerEnter={() => (store.hovered.value = sample)}>
                <td class="id" title={model.ids[sample]}><button type="button" class="plain" onClick={() => store.change({ focus: sample })}>{model.ids[sample]}</button></td>
                {fields.value.map((field) => <td key={field.key} class={field.kind === "number" ? "number" : ""} title={field.text(sample)}>{field.text(sample)}</td>)}
              </tr>
            ))}
            <tr style={{ height: `${Math.max(0, samples.length - first - shown.length) * LINE}px` }} aria-hidden="true" />
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Label first, then what each run makes of the samples, then their facts. */
function columns(store: Store): Field[] {
  const all = [...store.model.fields.values()];
  const main = ["part", "prediction", "confidence", "correct", "suspect"];
  const score = `score:${store.view.value.score}`;
  const ofRuns = store.model.contents.runs.flatMap((_, run) =>
    [...main, score].flatMap((name) => store.of(run, name) ?? []),
  );
  const facts = all.filter((field) => field.key.startsWith("fact:") && field !== store.model.label);
  return [store.model.label, ...ofRuns, ...facts];
}

function sorted(store: Store, rows: Uint32Array, key: string, down: boolean): Uint32Array {
  const { model } = store;
  const sign = down ? -1 : 1;
  if (key === "id") {
    const { ids } = model;
    if (rows.length > COLLATED) return rows.slice().sort((a, b) => sign * (ids[a] < ids[b] ? -1 : +(ids[a] > ids[b])));
    const collator = new Intl.Collator("en", { numeric: true });
    return rows.slice().sort((a, b) => sign * collator.compare(ids[a], ids[b]));
  }
  const field = model.fields.get(key)!;
  const { data } = field;
  // what has no value comes last, whichever way
  const rank = (sample: number) => (field.missing(sample) ? 1 : 0);
  if (field.kind !== "category") return rows.slice().sort((a, b) => rank(a) - rank(b) || sign * (data[a] - data[b]) || a - b);
  const places = new Uint32Array(field.values.length);
  field.values.map((value, code) => ({ value, code })).sort((a, b) => a.value.localeCompare(b.value, "en", { numeric: true })).forEach(({ code }, i) => (places[code] = i));
  return rows.slice().sort((a, b) => rank(a) - rank(b) || sign * (places[data[a]] - places[data[b]]) || a - b);
}

const NUMBER = /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i;

/** One value of a CSV file; a spreadsheet takes none for a formula. */
export function cell(value: string): string {
  const inert = /^[=+\-@\t\r\n＝＋－＠]/.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

function exported(store: Store, samples: Uint32Array) {
  const { model } = store;
  const fields = [...model.fields.values()];
  const name = (field: Field) => (/^\d+:/.test(field.key) ? `${model.contents.runs[parseInt(field.key)].name}: ${field.name}` : field.name);
  const lines = [["id", ...fields.map(name)].map(cell).join(",")];
  for (const sample of samples) {
    const values = fields.map((field) => {
      if (field.missing(sample)) return "";
      return field.kind === "number" ? String(field.data[sample]) : field.text(sample);
    });
    lines.push([model.ids[sample], ...values].map(cell).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
  link.download = "samples.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
