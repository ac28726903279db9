/** Points drawn on a plain canvas, where there is no WebGL. */

import type { Drawer, Drawn, Frame, Heard } from "./drawer.ts";

const REACH = 8; // pixels from the pointer to a point

export function canvas2d(canvas: HTMLCanvasElement, width: number, height: number, heard: Heard): Drawer {
  let size = { width, height };
  let points: Drawn | null = null;
  let [scale, left, top] = [1, 0, 0]; // of the view
  let lassoMode = false;
  let drag: { x: number; y: number; moved: boolean; lasso: number[] | null } | null = null;
  const context = canvas.getContext("2d")!;

  const frame = (): Frame => {
    const half = (Math.min(size.width, size.height) / 2) * scale;
    return { x0: size.width / 2 + left, kx: half, y0: size.height / 2 + top, ky: -half };
  };

  function paint() {
    const ratio = devicePixelRatio || 1;
    canvas.width = size.width * ratio;
    canvas.height = size.height * ratio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    if (!points) return;
    const { x0, kx, y0, ky } = frame();
    for (const strong of [0, 1]) {
      context.globalAlpha = strong ? points.opacity : 0.12;
      const side = strong ? points.size : Math.max(2, points.size * 0.7);
      for (let i = 0; i < points.x.length; i++) {
        if (points.strong[i] !== strong) continue;
        context.fillStyle = points.palette[points.codes[i]];
        context.fillRect(x0 + kx * points.x[i] - side / 2, y0 + ky * points.y[i] - side / 2, side, side);
      }
    }
    context.globalAlpha = 1;
    if (drag?.lasso) {
      context.strokeStyle = "#0072b2";
      context.lineWidth = 2;
      context.beginPath();
      for (let c = 0; c < drag.lasso.length; c += 2) context.lineTo(x0 + kx * drag.lasso[c], y0 + ky * drag.lasso[c + 1]);
      context.stroke();
    }
  }

  function moved() {
    paint();
    heard.moved(frame());
  }

  function nearest(px: number, py: number): number {
    if (!points) return -1;
    const { x0, kx, y0, ky } = frame();
    let [best, found] = [REACH * REACH, -1];
    for (let i = 0; i < points.x.length; i++) {
      const [dx, dy] = [x0 + kx * points.x[i] - px, y0 + ky * points.y[i] - py];
      const distance = dx * dx + dy * dy;
      if (distance < best) [best, found] = [distance, i];
    }
    return found;
  }

  const at = (event: PointerEvent | WheelEvent) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const place = (px: number, py: number) => {
    const { x0, kx, y0, ky } = frame();
    return [(px - x0) / kx, (py - y0) / ky];
  };
  function zoomAt(factor: number, px: number, py: number) {
    const next = Math.min(200, Math.max(0.2, scale * factor));
    const grown = next / scale;
    left = px - size.width / 2 - (px - size.width / 2 - left) * grown;
    top = py - size.height / 2 - (py - size.height / 2 - top) * grown;
    scale = next;
    moved();
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = at(event);
    drag = { x, y, moved: false, lasso: lassoMode || event.shiftKey ? place(x, y) : null };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (!drag) return heard.over(nearest(x, y));
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 3) return;
    drag.moved = true;
    if (drag.lasso) {
      drag.lasso.push(...place(x, y));
      return paint();
    }
    left += x - drag.x;
    top += y - drag.y;
    [drag.x, drag.y] = [x, y];
    moved();
  });
  canvas.addEventListener("pointerup", (event) => {
    const ended = drag;
    drag = null;
    if (ended?.lasso && ended.lasso.length >= 6) heard.lassoed(ended.lasso);
    else if (ended && !ended.moved) {
      const point = nearest(...(at(event) as [number, number]));
      if (point >= 0) heard.clicked(point);
    }
    paint();
  });
  canvas.addEventListener("pointercancel", () => {
    drag = null;
    paint();
  });
  canvas.addEventListener("pointerleave", () => heard.over(-1));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoomAt(Math.exp(-event.deltaY / 400), ...(at(event) as [number, number]));
    },
    { passive: false },
  );
  return {
    async draw(drawn) {
      points = drawn;
      moved();
    },
    frame,
    zoom: (factor) => zoomAt(factor, size.width / 2, size.height / 2),
    pan(right, down) {
      left += right;
      top += down;
      moved();
    },
    reset() {
      [scale, left, top] = [1, 0, 0];
      moved();
    },
    lasso(on) {
      lassoMode = on;
    },
    resize(width, height) {
      size = { width, height };
      moved();
    },
    destroy: () => undefined,
  };
}
