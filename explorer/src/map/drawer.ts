/** What draws points: WebGL, or a canvas where there is none. */

/** From a place on the map to pixels: left = x0 + kx * x, top = y0 + ky * y. */
export interface Frame {
  x0: number;
  kx: number;
  y0: number;
  ky: number;
}

export interface Drawn {
  /** Of the points that are drawn: where, colour, and whether they stand out (1) or lie behind (0). */
  x: Float32Array;
  y: Float32Array;
  codes: Uint8Array;
  strong: Uint8Array;
  palette: string[];
  size: number;
  opacity: number;
}

export interface Heard {
  moved(frame: Frame): void;
  over(point: number): void;
  clicked(point: number): void;
  lassoed(polygon: number[]): void;
}

export interface Drawer {
  draw(points: Drawn, moving: boolean): Promise<void>;
  frame(): Frame;
  zoom(factor: number): void;
  pan(right: number, down: number): void;
  reset(): void;
  lasso(on: boolean): void;
  resize(width: number, height: number): void;
  destroy(): void;
}
