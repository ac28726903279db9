/** What was logged over the epochs, one line a run; a click moves map A to the nearest kept epoch. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { RunOf } from "../contents.ts";
import { Choice, ticks } from "../controls.tsx";
import { useStore } from "../context.ts";
import { epochsOf } from "../planes.ts";
import { Frame, path, scale } from "./plot.tsx";

const LEFT_OUT = new Set(["epoch", "seconds", "images_per_second"]);

type Series = Map<string, [number, number][]>;

/** Everything that has a value at more than one epoch: what was logged, and recall at the kept epochs. */
function seriesOf(run: RunOf): Series {
  const found: Series = new Map();
  const add = (name: string, epoch: unknown, value: unknown) => {
    if (typeof value !== "number" || typeof epoch !== "number") return;
    const points = found.get(name);
    if (points) points.push([epoch, value]);
    else found.set(name, [[epoch, value]]);
  };
  for (const row of run.tables.log) {
    for (const [name, value] of Object.entries(row)) if (!LEFT_OUT.has(name)) add(name, row.epoch, value);
  }
  for (const row of run.tables.retrieval ?? []) add(`recall at 1, ${row.space}, ${row.part}`, row.epoch, row["recall@1"]);
  for (const [name, points] of found) {
    if (points.length < 2) found.delete(name);
    else points.sort(([one], [other]) => one - other);
  }
  return found;
}

export function Curves() {
  const store = useStore();
  const { model, view } = store;
  const { runs, colours } = model.contents;
  const series = useMemo(() => runs.map(seriesOf), []);
  const names = [...new Set(series.flatMap((each) => [...each.keys()]))];
  const first = names.find((name) => name.startsWith("validation_")) ?? names.find((name) => name === "total") ?? names[0];
  const chosen = useSignal(first);
  if (!first) return null;
  const lines = runs.map((run, number) => ({
    name: run.name,
    colour: colours[number % colours.length],
    points: series[number].get(chosen.value) ?? [],
  }));
  const all = lines.flatMap((line) => line.points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const of = scale([left, right], [low, high]);
  const kept = epochsOf(model, view.value.sides[0]);
  const { epoch } = view.value.sides[0];
  const go = (x: number) => {
    if (kept.length < 2) return;
    const wanted = of.back(x);
    const known = kept.filter((each) => each !== null);
    const nearest = known.reduce((one, other) => (Math.abs(other - wanted) < Math.abs(one - wanted) ? other : one), known[0]);
    store.changeSide(0, { epoch: nearest });
  };
  return (
    <figure class="chart" data-chart="curves">
      <h3>Over the epochs</h3>
      <Choice label="Logged figure" value={chosen.value} options={names.map((name) => [name, name.replaceAll("_", " ")])} onChange={(name) => (chosen.value = name)} />
      {all.length > 0 && (
        <Frame of={of} x={ticks(left, right)} y={[low, high]} across="epoch" up={chosen.value.replaceAll("_", " ")}
          name={`${chosen.value} over the epochs`} onPointer={kept.length > 1 ? go : undefined}>
          {epoch !== null && <line class="now" x1={of.x(epoch)} x2={of.x(epoch)} y1={of.y(low)} y2={of.y(high)} />}
          {lines.map((line) => (
            <path key={line.name} class="line" stroke={line.colour} d={path(line.points.map(([x, y]) => [of.x(x), of.y(y)]))}><title>{line.name}</title></path>
          ))}
        </Frame>
      )}
      <ul class="key">{lines.map((line) => <li key={line.name}><i style={{ background: line.colour }} />{line.name}</li>)}</ul>
    </figure>
  );
}
