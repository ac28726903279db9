/** Where the samples lie on a map: read when a map is first shown, then kept. */

import { signal } from "@preact/signals";
import { type Model, readArray, type Numbers } from "./contents.ts";
import { CLASS_AXES, type Plane } from "./view.ts";

const NOWHERE = -32768;
const EDGE = 32767;
const ROOM = 1.06; // of the frame, so that no point lies on its edge

/** x and y of every sample, -1 to 1; NaN of a sample without a place. */
export interface Places {
  x: Float32Array;
  y: Float32Array;
}

const kept = signal(new Map<string, Places>());
const asked = new Set<string>();

function nameOf(plane: Plane): string {
  const axes = plane.method === CLASS_AXES ? plane.axes.join() : "";
  return [plane.run, plane.method === CLASS_AXES ? "" : plane.space, plane.method, plane.epoch, axes].join("|");
}

/** The places on a map; undefined until they are read: whoever asked from a signal is told. */
export function placesOf(model: Model, plane: Plane): Places | undefined {
  const name = nameOf(plane);
  const found = kept.value.get(name);
  if (!found && !asked.has(name)) {
    asked.add(name);
    void load(model, plane).then((places) => (kept.value = new Map(kept.peek()).set(name, places)));
  }
  return found;
}

async function load(model: Model, plane: Plane): Promise<Places> {
  const run = model.contents.runs[plane.run];
  const x = new Float32Array(model.count);
  const y = new Float32Array(model.count);
  if (plane.method === CLASS_AXES) {
    const scores = await logits(model, plane.run, plane.epoch);
    const width = run.classes.length;
    for (let i = 0; i < model.count; i++) {
      const [a, b] = [scores[i * width + plane.axes[0]], scores[i * width + plane.axes[1]]];
      x[i] = a === 65535 ? NaN : (a / EDGE - 1) / ROOM;
      y[i] = b === 65535 ? NaN : (b / EDGE - 1) / ROOM;
    }
    return { x, y };
  }
  const map = run.maps.find((each) => each.space === plane.space && each.method === plane.method)!;
  const points = await readArray(map.epochs.find((each) => each.epoch === plane.epoch)!.points);
  for (let i = 0; i < model.count; i++) {
    x[i] = points[2 * i] === NOWHERE ? NaN : points[2 * i] / EDGE / ROOM;
    y[i] = points[2 * i + 1] === NOWHERE ? NaN : points[2 * i + 1] / EDGE / ROOM;
  }
  return { x, y };
}

const scores = new Map<string, Promise<Numbers>>();

/** The classifier space (sample x class) at an epoch, in two bytes: 0 to 65534, 65535 of a sample without. */
export function logits(model: Model, run: number, epoch: number | null): Promise<Numbers> {
  const name = `${run}|${epoch}`;
  if (!scores.has(name)) {
    scores.set(name, readArray(model.contents.runs[run].logits!.epochs.find((each) => each.epoch === epoch)!.data));
  }
  return scores.get(name)!;
}

/** Epochs of a map, in order, the audited weights last. */
export function epochsOf(model: Model, plane: Plane): (number | null)[] {
  const run = model.contents.runs[plane.run];
  const map = run.maps.find((each) => each.space === plane.space && each.method === plane.method);
  const epochs = (plane.method === CLASS_AXES ? run.logits?.epochs : map?.epochs)?.map((each) => each.epoch) ?? [];
  return [...epochs.filter((each) => each !== null).sort((a, b) => a - b), ...(epochs.includes(null) ? [null] : [])];
}
