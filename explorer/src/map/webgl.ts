/** Points drawn by regl-scatterplot. */

import createScatterplot from "regl-scatterplot";
import { channels } from "../colours.ts";
import type { Drawer, Drawn, Frame, Heard } from "./drawer.ts";

const BEHIND = 0.12;

interface Wanted {
  points: Drawn;
  moving: boolean;
}

export function hasWebgl(): boolean {
  const context = document.createElement("canvas").getContext("webgl");
  return !!context?.getExtension("OES_texture_float");
}

export function webgl(canvas: HTMLCanvasElement, width: number, height: number, heard: Heard): Drawer {
  let size = { width, height };
  let before: Float32Array | null = null;
  let palette = "";
  const plot = createScatterplot({
    canvas,
    width,
    height,
    backgroundColor: [0, 0, 0, 0] as never,
    colorBy: "valueA",
    opacityBy: "valueB",
    sizeBy: "valueB",
    opacity: [BEHIND, 0.9],
    pointSize: [3, 5],
    pointSizeSelected: 0,
    pointOutlineWidth: 0,
    pointColorHover: [0, 0, 0, 0],
    deselectOnEscape: false,
    mouseMode: "panZoom",
    ...({ actionKeyMap: { lasso: "shift" } } as object), // not in its types yet
    lassoMinDelay: 5,
    lassoMinDist: 2,
    lassoClearEvent: "lassoEnd",
    lassoColor: [0.0, 0.45, 0.7, 1],
  });
  plot.set({ lassoInitiator: false });
  const camera = () => plot.get("camera");
  const frame = (): Frame => {
    const view = camera().view as Float32Array;
    const aspect = size.width / size.height;
    return {
      x0: (size.width / 2) * (1 + view[12] / aspect),
      kx: ((size.width / 2) * view[0]) / aspect,
      y0: (size.height / 2) * (1 - view[13]),
      ky: (-size.height / 2) * view[5],
    };
  };
  /** The whole square from -1 to 1, whichever side of the map is the shorter. */
  const whole = () => Math.min(1, size.width / size.height);
  const reset = () => {
    const scale = whole();
    plot.view(Float32Array.of(scale, 0, 0, 0, 0, scale, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1) as never);
  };
  reset();
  let lassoing = false;
  plot.subscribe("view", () => heard.moved(frame()));
  plot.subscribe("pointover" as never, ((point: number) => heard.over(point)) as never);
  plot.subscribe("pointout" as never, (() => heard.over(-1)) as never);
  plot.subscribe("lassoStart", () => {
    lassoing = true;
  });
  plot.subscribe("lassoEnd", (({ coordinates }: { coordinates: [number, number][] }) => {
    heard.lassoed(coordinates.flat());
    queueMicrotask(() => {
      lassoing = false;
      plot.deselect({ preventEvent: true });
    });
  }) as never);
  plot.subscribe("select", ({ points }: { points: number[] }) => {
    if (lassoing || points.length !== 1) return;
    plot.deselect({ preventEvent: true });
    heard.clicked(points[0]);
  });
  async function drawOne({ points, moving }: Wanted) {
    if (palette !== points.palette.join()) {
      palette = points.palette.join();
      plot.set({ pointColor: points.palette.map((each) => [...channels(each).map((value) => value / 255), 1]) as never });
    }
    plot.set({ pointSize: [Math.max(2, points.size * 0.7), points.size], opacity: [BEHIND, points.opacity] });
    const [still, same] = [before === points.x, before?.length === points.x.length];
    before = points.x;
    if (!points.x.length) return void (await plot.clear());
    await plot.draw(
      { x: points.x, y: points.y, valueA: points.codes, valueB: points.strong },
      {
        zDataType: "categorical",
        wDataType: "categorical",
        transition: moving && same,
        transitionDuration: 450,
        ...(still ? { spatialIndex: plot.get("spatialIndex") } : {}),
      },
    );
  }

  let wanted: Wanted | null = null;
  let drawing: Promise<void> | null = null;
  async function drawAll() {
    while (wanted) {
      const now: Wanted = wanted;
      wanted = null;
      await drawOne(now);
    }
    drawing = null;
  }

  return {
    /** While one draw is under way, the last that is asked for waits; the library would leave it out. */
    draw(points, moving) {
      wanted = { points, moving };
      return (drawing ??= drawAll());
    },
    frame,
    zoom(factor) {
      camera().scale([factor, factor], [0, 0]);
      plot.refresh?.();
      plot.redraw();
    },
    pan(right, down) {
      camera().pan([(2 * right) / size.height, (-2 * down) / size.height]);
      plot.redraw();
    },
    reset,
    lasso: (on) => plot.set({ mouseMode: on ? "lasso" : "panZoom" }),
    resize(width, height) {
      const view = camera().view as Float32Array;
      const untouched = view[0] === Math.fround(whole()) && !view[12] && !view[13];
      size = { width, height };
      if (untouched) reset();
      plot.set({ width, height });
    },
    destroy() {
      wanted = null;
      plot.destroy();
    },
  };
}
