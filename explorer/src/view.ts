/** What is looked at, how, and which samples are chosen: all of it in the address, after the #. */

import type { Model } from "./contents.ts";
import { shortened } from "./map/overlay.ts";

export interface Plane {
  run: number;
  space: string;
  method: string; // "t-SNE", "components" or "class axes"
  epoch: number | null; // null: the weights that were audited
  axes: [number, number]; // classes, of "class axes"
}

export interface Side extends Plane {
  part: string; // "": all parts
}

/** One condition on samples; those that meet all of them are chosen. */
export type Condition =
  | { kind: "lasso"; plane: Plane; polygon: number[] }
  | { kind: "cell"; run: number; truth: string; prediction: string }
  | { kind: "values"; key: string; values: string[] }
  | { kind: "range"; key: string; low: number; high: number }
  | { kind: "has"; key: string }
  | { kind: "search"; text: string }
  | { kind: "samples"; samples: number[] }
  | { kind: "changed"; before: number; after: number; how: Change };

export type Change = "lost" | "won" | "both wrong" | "other class";
export const CHANGES: Change[] = ["lost", "won", "both wrong", "other class"];

export interface View {
  sides: Side[];
  colour: string; // key of a field
  marks: "points" | "pictures";
  conditions: Condition[];
  focus: number; // one sample, -1: none
  run: number; // whose charts are shown
  score: string; // of rejection
  threshold: number | null; // below it, a sample is rejected
  sort: { key: string; down: boolean };
}

export const CLASS_AXES = "class axes";

/** The method of the first map of a space: t-SNE where there is one. */
export function firstMethod(model: Model, run: number, space: string): string {
  const methods = model.contents.runs[run].maps.filter((map) => map.space === space).map((map) => map.method);
  return methods.includes("t-SNE") ? "t-SNE" : methods[0];
}

export function firstSide(model: Model, run: number): Side {
  const { maps, retrieval } = model.contents.runs[run];
  const laid = maps.filter((map) => map.method === "t-SNE").map((map) => map.space);
  const wanted = retrieval ? laid : laid.filter((space) => space !== "classifier");
  const space = wanted.at(-1) ?? laid.at(-1) ?? maps[0].space;
  return { run, space, method: firstMethod(model, run, space), epoch: null, axes: [0, 1], part: "" };
}

export function firstView(model: Model): View {
  const runs = model.contents.runs;
  const sides = [firstSide(model, 0)];
  if (runs.length > 1) sides.push(firstSide(model, 1));
  const scores = [...model.fields.keys()].filter((key) => key.startsWith("0:score:"));
  return {
    sides,
    colour: "fact:label",
    marks: "points",
    conditions: [],
    focus: -1,
    run: 0,
    score: scores[0]?.slice("0:score:".length) ?? "",
    threshold: null,
    sort: { key: model.fields.has("0:confidence") ? "0:confidence" : "id", down: false },
  };
}

export function written(view: View): string {
  return "#" + encodeURIComponent(JSON.stringify(view));
}

/** The view of an address, and what in it this page does not have. */
export function read(model: Model, hash: string): { view: View; lost: string[] } {
  const view = firstView(model);
  if (hash.length < 2) return { view, lost: [] };
  const lost: string[] = [];
  let given: Partial<View>;
  try {
    given = JSON.parse(decodeURIComponent(hash.slice(1)));
    if (typeof given !== "object" || given === null || Array.isArray(given)) throw new Error("no view");
  } catch {
    return { view, lost: ["The address of this view cannot be read; this is the first view."] };
  }
  const keep = <Key extends keyof View>(key: Key, holds: (value: View[Key]) => boolean) => {
    const value = given[key];
    if (value === undefined) return;
    if (safely(() => holds(value as View[Key]))) view[key] = value as View[Key];
    else lost.push(`What the address says of “${key}” does not fit this page.`);
  };
  for (const key of Object.keys(given)) {
    if (!(key in view)) lost.push(`The address speaks of “${shortened(key, 40)}”, which is nothing that this page has.`);
  }
  keep("sides", (sides) => [1, 2].includes(sides.length) && sides.every((side) => hasSide(model, side)));
  keep("colour", (key) => model.fields.has(key));
  keep("marks", (marks) => marks === "points" || (marks === "pictures" && model.contents.pictures !== null));
  keep("conditions", (all) => all.every((each) => holdsCondition(model, each)));
  keep("focus", (sample) => Number.isInteger(sample) && sample >= -1 && sample < model.count);
  keep("run", (run) => hasRun(model, run));
  keep("score", (score) => score === "" || model.fields.has(`${view.run}:score:${score}`));
  keep("threshold", (value) => value === null || Number.isFinite(value));
  keep("sort", ({ key, down }) => (key === "id" || model.fields.has(key)) && typeof down === "boolean");
  return { view, lost };
}

function safely(holds: () => boolean): boolean {
  try {
    return holds();
  } catch {
    return false;
  }
}

function hasRun(model: Model, run: number): boolean {
  return Number.isInteger(run) && run >= 0 && run < model.contents.runs.length;
}

export function hasPlane(model: Model, plane: Plane): boolean {
  if (!hasRun(model, plane.run)) return false;
  const run = model.contents.runs[plane.run];
  if (!Object.hasOwn(run.spaces, plane.space)) return false;
  const [first, second] = plane.axes;
  const classes = run.classes.length;
  if (![first, second].every((axis) => Number.isInteger(axis) && axis >= 0 && axis < Math.max(classes, 2))) return false;
  if (plane.method === CLASS_AXES) return !!run.logits?.epochs.some((each) => each.epoch === plane.epoch);
  const map = run.maps.find((each) => each.space === plane.space && each.method === plane.method);
  return !!map?.epochs.some((each) => each.epoch === plane.epoch);
}

function hasSide(model: Model, side: Side): boolean {
  return hasPlane(model, side) && (side.part === "" || model.fields.get(`${side.run}:part`)!.values.includes(side.part));
}

function holdsCondition(model: Model, condition: Condition): boolean {
  switch (condition.kind) {
    case "lasso":
      return (
        hasPlane(model, condition.plane) &&
        condition.polygon.length >= 6 &&
        condition.polygon.length % 2 === 0 &&
        condition.polygon.every(Number.isFinite)
      );
    case "cell":
      return (
        hasRun(model, condition.run) &&
        model.fields.has(`${condition.run}:prediction`) &&
        [condition.truth, condition.prediction].every((name) => model.contents.runs[condition.run].classes.includes(name))
      );
    case "values":
      return condition.values.every((value) => model.fields.get(condition.key)!.code(value) >= 0);
    case "range":
      return (
        model.fields.get(condition.key)!.kind === "number" &&
        [condition.low, condition.high].every(Number.isFinite) &&
        condition.low <= condition.high
      );
    case "has":
      return model.fields.has(condition.key);
    case "search":
      return typeof condition.text === "string";
    case "samples":
      return condition.samples.every((sample) => Number.isInteger(sample) && sample >= 0 && sample < model.count);
    case "changed":
      return (
        CHANGES.includes(condition.how) &&
        [condition.before, condition.after].every((run) => hasRun(model, run) && model.fields.has(`${run}:correct`))
      );
    default:
      return false;
  }
}
