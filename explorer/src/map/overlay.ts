/** What lies over the points: pictures, names of classes, the sample in focus and its neighbours, the lasso. */

import type { Colouring } from "../colours.ts";
import type { Field, Model } from "../contents.ts";
import { pictureOf } from "../pictures.ts";
import type { Places } from "../planes.ts";
import type { Frame } from "./drawer.ts";

const CELL = 44; // pixels of a picture on the map
const MOST_NAMES = 60;
const NAMED = new Set(["label", "prediction"]); // other values lie all over a map

export interface Over {
  model: Model;
  places: Places;
  /** The samples that are drawn. */
  rows: Uint32Array;
  chosen: Uint8Array;
  colouring: Colouring;
  names: Named[];
  pictures: boolean;
  focus: number;
  hovered: number;
  neighbours: number[];
  lassos: number[][];
  /** Whether the line is drawn on which both axes are equal. */
  diagonal: boolean;
  ink: string;
  paper: string;
}

export function paintOver(canvas: HTMLCanvasElement, width: number, height: number, frame: Frame, over: Over): void {
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (over.pictures) paintPictures(context, width, height, frame, over);
  else paintNames(context, width, height, frame, over);
  context.lineWidth = 1.5;
  if (over.diagonal) {
    context.strokeStyle = over.ink;
    context.globalAlpha = 0.25;
    context.beginPath();
    context.moveTo(frame.x0 - frame.kx, frame.y0 - frame.ky);
    context.lineTo(frame.x0 + frame.kx, frame.y0 + frame.ky);
    context.stroke();
    context.globalAlpha = 1;
  }
  for (const polygon of over.lassos) outline(context, frame, polygon, over.ink);
  const at = (sample: number): [number, number] => [
    frame.x0 + frame.kx * over.places.x[sample],
    frame.y0 + frame.ky * over.places.y[sample],
  ];
  if (over.focus >= 0) {
    const [x, y] = at(over.focus);
    context.strokeStyle = over.ink;
    context.lineWidth = 1;
    context.globalAlpha = 0.6;
    for (const neighbour of over.neighbours) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(...at(neighbour));
      context.stroke();
    }
    context.globalAlpha = 1;
    ring(context, x, y, 9, over);
  }
  if (over.hovered >= 0 && over.hovered !== over.focus) ring(context, ...at(over.hovered), 7, over);
}

function ring(context: CanvasRenderingContext2D, x: number, y: number, radius: number, over: Over): void {
  for (const [colour, width] of [[over.paper, 5], [over.ink, 2]] as const) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

function outline(context: CanvasRenderingContext2D, frame: Frame, polygon: number[], ink: string): void {
  context.strokeStyle = ink;
  context.setLineDash([5, 4]);
  context.beginPath();
  for (let c = 0; c < polygon.length; c += 2) {
    context.lineTo(frame.x0 + frame.kx * polygon[c], frame.y0 + frame.ky * polygon[c + 1]);
  }
  context.closePath();
  context.stroke();
  context.setLineDash([]);
}

/** One picture a cell: that of the chosen sample nearest its middle; a frame in the sample's colour. */
function paintPictures(context: CanvasRenderingContext2D, width: number, height: number, frame: Frame, over: Over) {
  const columns = Math.ceil(width / CELL);
  const best = new Map<number, { sample: number; distance: number }>();
  for (const sample of over.rows) {
    const [x, y] = [frame.x0 + frame.kx * over.places.x[sample], frame.y0 + frame.ky * over.places.y[sample]];
    if (!(x >= 0 && x < width && y >= 0 && y < height) || !over.chosen[sample]) continue;
    const [column, line] = [Math.floor(x / CELL), Math.floor(y / CELL)];
    const distance = (x - (column + 0.5) * CELL) ** 2 + (y - (line + 0.5) * CELL) ** 2;
    const cell = line * columns + column;
    const held = best.get(cell);
    if (!held || distance < held.distance) best.set(cell, { sample, distance });
  }
  context.imageSmoothingEnabled = true;
  for (const [cell, { sample }] of best) {
    const picture = pictureOf(over.model, sample);
    const [x, y] = [(cell % columns) * CELL + 2, Math.floor(cell / columns) * CELL + 2];
    context.fillStyle = over.colouring.palette[over.colouring.codes[sample]];
    context.fillRect(x, y, CELL - 4, CELL - 4);
    if (!picture) continue;
    context.drawImage(picture.sheet, picture.x, picture.y, picture.side, picture.side, x + 2, y + 2, CELL - 8, CELL - 8);
  }
}

/** A name of a value, and the middle of its samples on a map. */
export interface Named {
  name: string;
  x: number;
  y: number;
}

/** The values of a field with the middle of their samples, those of most samples first; none where there are too many. */
export function namesOf(field: Field, rows: Uint32Array, places: Places): Named[] {
  if (!NAMED.has(field.name)) return [];
  const groups = new Map<number, number[]>();
  for (const sample of rows) {
    if (field.missing(sample)) continue;
    const code = field.data[sample];
    const group = groups.get(code);
    if (group) group.push(sample);
    else groups.set(code, [sample]);
  }
  if (groups.size > MOST_NAMES) return [];
  return [...groups]
    .sort((one, other) => other[1].length - one[1].length)
    .map(([code, samples]) => ({
      name: shortened(field.values[code], 22),
      x: median(samples, places.x),
      y: median(samples, places.y),
    }));
}

/** None over another. */
function paintNames(context: CanvasRenderingContext2D, width: number, height: number, frame: Frame, over: Over) {
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const taken: [number, number, number][] = [];
  for (const { name, x: across, y: up } of over.names) {
    const [x, y] = [frame.x0 + frame.kx * across, frame.y0 + frame.ky * up];
    const half = context.measureText(name).width / 2 + 4;
    if (!(x > 0 && x < width && y > 0 && y < height)) continue;
    if (taken.some(([ox, oy, other]) => Math.abs(oy - y) < 17 && Math.abs(ox - x) < half + other)) continue;
    taken.push([x, y, half]);
    context.lineWidth = 4;
    context.lineJoin = "round";
    context.strokeStyle = over.paper;
    context.strokeText(name, x, y);
    context.fillStyle = over.ink;
    context.fillText(name, x, y);
  }
}

function median(samples: number[], values: Float32Array): number {
  const step = Math.max(1, Math.floor(samples.length / 500));
  const some = [];
  for (let i = 0; i < samples.length; i += step) some.push(values[samples[i]]);
  some.sort((one, other) => one - other);
  return some[some.length >> 1];
}

/** The middle left out: names often differ at their ends. */
export function shortened(text: string, most: number): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  const front = Math.floor((most - 1) / 2);
  return `${letters.slice(0, front).join("")}…${letters.slice(letters.length - (most - 1 - front)).join("")}`;
}
