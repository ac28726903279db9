/** Which colour each sample has, and what the colours mean. */

import type { Field, Model } from "./contents.ts";
import { shownNumber } from "./contents.ts";

export interface Colouring {
  field: Field;
  /** Index into `palette`, per sample. */
  codes: Uint8Array;
  palette: string[];
  /** What the palette's colours mean; of numbers, the two ends. */
  entries: { name: string; colour: string; count: number }[];
  ends: [string, string] | null;
  /** Whether several values share a colour. */
  shared: boolean;
}

const RIGHT = "#0072B2";
const WRONG = "#D55E00";
export const MISSING = { light: "#b9bec8", dark: "#4a5261" };

/** Cividis, the same to all kinds of colour vision (Nuñez, Anderton and Renslow 2018), at nine stops. */
const RAMP = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#fee838"];
const STEPS = 64;

export function colouring(model: Model, key: string, dark: boolean): Colouring {
  const field = model.fields.get(key)!;
  const missing = dark ? MISSING.dark : MISSING.light;
  return field.kind === "number" ? ofNumbers(field, missing) : ofValues(model, field, missing);
}

function ofValues(model: Model, field: Field, missing: string): Colouring {
  const names = field.names;
  const good = field.name === "correct" ? [WRONG, RIGHT] : field.name === "suspect" ? [RIGHT, WRONG] : null;
  const base = good ?? colourOrder(model, field);
  const most = Math.min(names.length, 254);
  const palette = [...Array.from({ length: most }, (_, i) => base[i % base.length]), missing];
  const codes = new Uint8Array(model.count);
  const counts = new Uint32Array(names.length);
  for (let i = 0; i < codes.length; i++) {
    const value = field.data[i];
    if (value < names.length) {
      counts[value]++;
      codes[i] = value % most;
    } else codes[i] = most;
  }
  const entries = names.map((name, i) => ({ name, colour: palette[i % most], count: counts[i] }));
  return { field, codes, palette, entries, ends: null, shared: names.length > base.length };
}

/** A class has one colour, whether it is a label or a prediction. */
function colourOrder(model: Model, field: Field): string[] {
  const { colours } = model.contents;
  if (field.name !== "prediction") return colours;
  return field.values.map((value) => {
    const code = model.label.code(value);
    return colours[(code < 0 ? 0 : code) % colours.length];
  });
}

function ofNumbers(field: Field, missing: string): Colouring {
  let [low, high] = [Infinity, -Infinity];
  for (const value of field.data) {
    if (Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const span = high - low || 1;
  const palette = [...Array.from({ length: STEPS }, (_, i) => mixed(i / (STEPS - 1))), missing];
  const codes = Uint8Array.from(field.data as Float32Array, (value) => {
    if (Number.isNaN(value)) return STEPS;
    return Math.round(Math.min(1, Math.max(0, (value - low) / span)) * (STEPS - 1));
  });
  return { field, codes, palette, entries: [], ends: [shownNumber(low), shownNumber(high)], shared: false };
}

/** A colour of the ramp, 0 to 1. */
export function mixed(share: number): string {
  const at = share * (RAMP.length - 1);
  const first = Math.min(Math.floor(at), RAMP.length - 2);
  const rest = at - first;
  const [one, other] = [RAMP[first], RAMP[first + 1]].map(channels);
  return `rgb(${one.map((value, i) => Math.round(value + rest * (other[i] - value))).join(" ")})`;
}

export function channels(colour: string): number[] {
  if (colour.startsWith("#")) return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return colour.match(/\d+/g)!.slice(0, 3).map(Number);
}

export const RAMP_STYLE = `linear-gradient(to right, ${RAMP.join(", ")})`;
