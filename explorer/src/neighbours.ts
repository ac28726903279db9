/** The nearest samples of a sample in a space of a run: from the audit, exact. */

import { signal } from "@preact/signals";
import { type Model, type Numbers, readArray } from "./contents.ts";

export interface Neighbour {
  sample: number;
  distance: number;
}

const NONE = 4294967295;
const kept = signal(new Map<string, { indices: Numbers; distances: Numbers; k: number }>());
const asked = new Set<string>();

/** Nearest first; undefined where the page has none of that space, or until they are read. */
export function neighboursOf(model: Model, run: number, space: string, sample: number): Neighbour[] | undefined {
  const refs = model.contents.runs[run].neighbours[space];
  if (!refs) return undefined;
  const name = `${run}|${space}`;
  const found = kept.value.get(name);
  if (!found) {
    if (!asked.has(name)) {
      asked.add(name);
      void Promise.all([readArray(refs.indices), readArray(refs.distances)]).then(([indices, distances]) => {
        kept.value = new Map(kept.peek()).set(name, { indices, distances, k: refs.indices.shape![1] });
      });
    }
    return undefined;
  }
  const near: Neighbour[] = [];
  for (let j = sample * found.k; j < (sample + 1) * found.k; j++) {
    if (found.indices[j] !== NONE) near.push({ sample: found.indices[j], distance: found.distances[j] });
  }
  return near;
}
