/** The frame of a line chart. */

import type { ComponentChildren } from "preact";
import { ticks } from "../controls.tsx";
import { shownNumber } from "../contents.ts";

export const WIDTH = 400;
export const HEIGHT = 230;
const BOX = { left: 46, right: 12, top: 10, bottom: 42 };

export interface Scale {
  x: (value: number) => number;
  y: (value: number) => number;
  /** From pixels of the drawing back to values. */
  back: (x: number) => number;
}

export function scale([left, right]: [number, number], [low, high]: [number, number], log = false): Scale {
  const to = (value: number) => (log ? Math.log(value) : value);
  const [from, until] = [to(left), to(right)];
  const across = WIDTH - BOX.left - BOX.right;
  const down = HEIGHT - BOX.top - BOX.bottom;
  const span = until - from || 1;
  return {
    x: (value) => BOX.left + (across * (to(value) - from)) / span,
    y: (value) => BOX.top + down * (1 - (value - low) / (high - low || 1)),
    back: (x) => {
      const value = from + (span * (x - BOX.left)) / across;
      return log ? Math.exp(value) : value;
    },
  };
}

export function Frame({ of, x, y, across, up, name, children, onPointer }: {
  of: Scale;
  x: number[];
  y: [number, number];
  across: string;
  up: string;
  name: string;
  children: ComponentChildren;
  onPointer?: (x: number) => void;
}) {
  const at = (event: PointerEvent) => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    onPointer!(((event.clientX - box.left) / box.width) * WIDTH);
  };
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} class={onPointer ? "lines draggable" : "lines"} role="img" aria-label={name}
      onPointerDown={onPointer && ((event) => (event.currentTarget.setPointerCapture(event.pointerId), at(event)))}
      onPointerMove={onPointer && ((event) => event.buttons && at(event))}>
      {ticks(...y).map((value) => (
        <g key={value}>
          <line class="grid" x1={BOX.left} x2={WIDTH - BOX.right} y1={of.y(value)} y2={of.y(value)} />
          <text class="tick" x={BOX.left - 6} y={of.y(value)} text-anchor="end">{shownNumber(value)}</text>
        </g>
      ))}
      {x.map((value) => (
        <text key={value} class="tick" x={of.x(value)} y={HEIGHT - BOX.bottom + 14} text-anchor="middle">{shownNumber(value)}</text>
      ))}
      <text class="axis" x={(BOX.left + WIDTH - BOX.right) / 2} y={HEIGHT - 9} text-anchor="middle">{across}</text>
      <text class="axis" transform={`translate(11 ${(HEIGHT - BOX.bottom + BOX.top) / 2}) rotate(-90)`} text-anchor="middle">{up}</text>
      {children}
    </svg>
  );
}

export function path(points: [number, number][]): string {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}
