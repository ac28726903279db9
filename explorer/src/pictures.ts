/** The pictures of the samples: a sheet is decoded when one of its pictures is first shown. */

import { signal } from "@preact/signals";
import { type Model, readPicture, type Ref } from "./contents.ts";

export interface Cut {
  sheet: ImageBitmap;
  x: number;
  y: number;
  side: number;
}

const sheets = new Map<number, ImageBitmap>();
const asked = new Set<number>();
/** Grows whenever a sheet is ready: whoever drew without it draws again. */
export const ready = signal(0);

function sheetOf(ref: Ref): ImageBitmap | undefined {
  const found = sheets.get(ref.blob);
  if (!found && !asked.has(ref.blob)) {
    asked.add(ref.blob);
    void readPicture(ref).then((sheet) => {
      sheets.set(ref.blob, sheet);
      ready.value++;
    });
  }
  return found;
}

function cut(ref: Ref, number: number, columns: number, side: number): Cut | undefined {
  const sheet = sheetOf(ref);
  return sheet && { sheet, x: (number % columns) * side, y: Math.floor(number / columns) * side, side };
}

/** A sample's picture; undefined until its sheet is read, and where the page has none. */
export function pictureOf(model: Model, sample: number): Cut | undefined {
  const { pictures } = model.contents;
  if (!pictures) return undefined;
  const sheet = pictures.sheets[Math.floor(sample / pictures.per_sheet)];
  return cut(sheet, sample % pictures.per_sheet, pictures.columns, pictures.side);
}

/** An attribution map of a sample; undefined where it has none, or until it is read. */
export function attentionOf(model: Model, run: number, method: string, sample: number): Cut | undefined {
  const { attention } = model.contents.runs[run];
  const number = attention?.samples.indexOf(sample) ?? -1;
  return number < 0 ? undefined : cut(attention!.methods[method], number, attention!.columns, attention!.side);
}
