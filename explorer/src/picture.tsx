/** A sample's picture on the page. */

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type Cut, pictureOf, ready } from "./pictures.ts";
import { useStore } from "./context.ts";

export function CutOf({ of, side, name, over }: { of: () => Cut | undefined; side: number; name: string; over?: () => Cut | undefined }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const paint = () => {
    void ready.value;
    const context = canvas.current?.getContext("2d");
    const cut = of();
    if (!context) return;
    context.clearRect(0, 0, side, side);
    if (cut) context.drawImage(cut.sheet, cut.x, cut.y, cut.side, cut.side, 0, 0, side, side);
    const heat = over?.();
    if (!heat) return;
    context.globalCompositeOperation = "multiply";
    context.drawImage(heat.sheet, heat.x, heat.y, heat.side, heat.side, 0, 0, side, side);
    context.globalCompositeOperation = "source-over";
  };
  useSignalEffect(paint);
  if (canvas.current) queueMicrotask(paint);
  return <canvas ref={canvas} width={side} height={side} role="img" aria-label={name} />;
}

export function Picture({ sample, side = 56 }: { sample: number; side?: number }) {
  const { model } = useStore();
  if (!model.contents.pictures) return null;
  return <CutOf key={sample} of={() => pictureOf(model, sample)} side={side} name={model.ids[sample]} />;
}

/** A picture that puts its sample in focus, with a word below it. */
export function Card({ sample, words, wrong = false }: { sample: number; words: string; wrong?: boolean }) {
  const store = useStore();
  return (
    <button
      type="button"
      class={wrong ? "card wrong" : "card"}
      title={store.model.ids[sample]}
      data-sample={sample}
      onClick={() => store.change({ focus: sample })}
      onPointerEnter={() => (store.hovered.value = sample)}
      onPointerLeave={() => (store.hovered.value = -1)}
    >
      <Picture sample={sample} />
      <span>{words}</span>
    </button>
  );
}
