/** True against predicted classes of the chosen test samples; a cell chooses its samples. */

import { useComputed } from "@preact/signals";
import { mixed } from "../colours.ts";
import { count } from "../controls.tsx";
import { useStore } from "../context.ts";
import { shortened } from "../map/overlay.ts";

const NAMED = 24; // classes whose names there is room for
const MARGIN = 92;

export function Confusion() {
  const store = useStore();
  const { model, view } = store;
  const table = useComputed(() => {
    const { run } = view.value;
    const prediction = store.of(run, "prediction");
    if (!prediction) return null;
    const { classes } = model.contents.runs[run];
    const part = store.of(run, "part")!;
    const test = part.code("test");
    const rows = model.label.names.map((name) => classes.indexOf(name));
    const columns = prediction.values.map((name) => classes.indexOf(name));
    const cells = new Uint32Array(classes.length ** 2);
    const chosen = store.chosenWithout("cell");
    let [right, all] = [0, 0];
    for (let i = 0; i < model.count; i++) {
      if (!chosen[i] || part.data[i] !== test || prediction.missing(i)) continue;
      const [row, column] = [rows[model.label.data[i]], columns[prediction.data[i]]];
      if (row === undefined || row < 0 || column < 0) continue;
      cells[row * classes.length + column]++;
      right += +(row === column);
      all++;
    }
    return { classes, cells, right, all };
  });
  const found = table.value;
  if (!found) return null;
  const { classes, cells, right, all } = found;
  const n = classes.length;
  const named = n <= NAMED;
  const margin = named ? MARGIN : 20;
  const room = named ? 46 : 2; // names lean over the last column
  const side = Math.max(4, Math.min(52, Math.floor((400 - margin) / n)));
  const totals = classes.map((_, row) => cells.subarray(row * n, row * n + n).reduce((one, other) => one + other, 0));
  const picked = view.value.conditions.find((each) => each.kind === "cell" && each.run === view.value.run);
  return (
    <figure class="chart" data-chart="confusion">
      <h3>Confusion <small>{count(right)} of {count(all)} test samples right{all ? `, ${((100 * right) / all).toFixed(1)} %` : ""}</small></h3>
      <svg viewBox={`0 0 ${margin + n * side + room} ${margin + n * side + 2}`} style={{ maxWidth: `${margin + n * side + room}px` }} role="group" aria-label="Confusion matrix: rows true classes, columns predicted ones">
        <rect x={margin} y={margin} width={n * side} height={n * side} class="ground" />
        {Array.from(cells, (value, cell) => {
          if (!value) return null;
          const [row, column] = [Math.floor(cell / n), cell % n];
          const share = value / totals[row];
          const on = picked?.kind === "cell" && picked.truth === classes[row] && picked.prediction === classes[column];
          const words = `${classes[row]} taken for ${classes[column]}: ${value} (${(100 * share).toFixed(1)} %)`;
          const choose = () =>
            on
              ? store.drop(view.peek().conditions.indexOf(picked!))
              : store.choose({ kind: "cell", run: view.peek().run, truth: classes[row], prediction: classes[column] });
          return (
            <g key={cell} role="button" tabindex={0} aria-pressed={on} aria-label={words} class={on ? "cell on" : "cell"}
              data-cell={`${row},${column}`}
              onClick={choose} onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), choose())}>
              <title>{words}</title>
              <rect x={margin + column * side} y={margin + row * side} width={side} height={side} fill={mixed(0.12 + 0.88 * share)} />
              {side >= 22 && (
                <text x={margin + (column + 0.5) * side} y={margin + (row + 0.5) * side} style={{ fill: share > 0.55 ? "#111" : "#fff" }}>{value}</text>
              )}
            </g>
          );
        })}
        {named &&
          classes.map((name, i) => (
            <g key={name} class="names">
              <text x={margin - 6} y={margin + (i + 0.5) * side} text-anchor="end"><title>{name}</title>{shortened(name, 13)}</text>
              <text transform={`translate(${margin + (i + 0.5) * side} ${margin - 6}) rotate(-60)`} text-anchor="start"><title>{name}</title>{shortened(name, 13)}</text>
            </g>
          ))}
        {!named && <text class="axis" x={margin + (n * side) / 2} y={12} text-anchor="middle">predicted →</text>}
        {!named && <text class="axis" transform={`translate(12 ${margin + (n * side) / 2}) rotate(-90)`} text-anchor="middle">← true</text>}
      </svg>
    </figure>
  );
}
