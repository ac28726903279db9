/** The sample under the pointer: its picture, its class and what each run takes it for, beside the point. */

import type { ReadonlySignal } from "@preact/signals";
import { useStore } from "../context.ts";
import { Picture } from "../picture.tsx";
import type { Places } from "../planes.ts";
import type { Frame } from "./drawer.ts";

const APART = 14; // pixels from the point

export function Hover({ sample, places, frame, size }: {
  sample: ReadonlySignal<number>;
  places: ReadonlySignal<Places | undefined>;
  frame: ReadonlySignal<Frame>;
  size: ReadonlySignal<{ width: number; height: number }>;
}) {
  const store = useStore();
  const { model } = store;
  const at = sample.value;
  const found = places.value;
  if (at < 0 || !found || Number.isNaN(found.x[at])) return null;
  const { x0, kx, y0, ky } = frame.value;
  const { width, height } = size.value;
  const [x, y] = [x0 + kx * found.x[at], y0 + ky * found.y[at]];
  const across = x < width / 2 ? { left: `${x + APART}px` } : { right: `${width - x + APART}px` };
  const down = y < height / 2 ? { top: `${y + APART}px` } : { bottom: `${height - y + APART}px` };
  const many = model.contents.runs.length > 1;
  return (
    <div class="hover" aria-hidden="true" data-sample={at} style={{ ...across, ...down }}>
      <Picture sample={at} side={72} />
      <div>
        <b>{model.label.text(at)}</b>
        {model.contents.runs.map((run, number) => {
          const prediction = store.of(number, "prediction");
          if (!prediction || prediction.missing(at)) return null;
          const wrong = store.of(number, "correct")?.data[at] === 0;
          return <span key={run.name} class={wrong ? "wrong" : ""} data-run={number}>{many ? `${run.name}: ` : ""}{prediction.text(at)}</span>;
        })}
        <small>{model.ids[at]}</small>
      </div>
    </div>
  );
}
