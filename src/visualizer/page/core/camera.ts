/**
 * Decides which part of a drawing is visible, and how large it is. The drawing fits the window until the reader moves or zooms it. This
 * module only computes numbers; a view applies them.
 */
import type { Box, Point } from '../../layout-graph.ts';

/** Below this scale, labels cannot be read, so the camera shows the active state instead of the whole drawing. */
const READABLE_SCALE = 0.84;
const LARGEST_FIT = 1.35;
const [SMALLEST, LARGEST] = [0.08, 4];
const MARGIN_PX = 8;

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A point of the drawing appears at `scale * point + (x, y)`. */
export interface Seen extends Point {
  readonly scale: number;
}

export interface CameraOptions {
  readonly drawing: Size;
  /** true: the drawing shows a whole machine with regions. It may be unreadably small, because each region also has its own drawing. */
  readonly overview: boolean;
}

export class Camera {
  readonly #drawing: Size;
  readonly #overview: boolean;
  #window: Size = { width: 0, height: 0 };
  #seen: Seen = { x: 0, y: 0, scale: 1 };
  /** true: the reader moved the camera, so the camera no longer moves by itself. */
  #held = false;

  constructor({ drawing, overview }: CameraOptions) {
    this.#drawing = drawing;
    this.#overview = overview;
  }

  get seen(): Seen {
    return this.#seen;
  }

  /** @param active the box to show when the whole drawing would be too small */
  resize(window: Size, active: Box | undefined): void {
    if (window.width === 0 || window.height === 0) return;
    this.#window = window;
    if (!this.#held) this.#home(active);
  }

  fit(active: Box | undefined): void {
    this.#held = false;
    if (this.#window.width > 0) this.#home(active);
  }

  /** Fits the whole drawing into the window, even if it becomes too small to read. */
  fitAll(): void {
    this.#held = true;
    this.#show(this.#fitScale());
  }

  /** @param at the point of the window whose content stays in place; default: the centre */
  zoomBy(factor: number, at: Point = { x: this.#window.width / 2, y: this.#window.height / 2 }): void {
    this.#held = true;
    const { scale: before, x, y } = this.#seen;
    const scale = Math.max(SMALLEST, Math.min(LARGEST, before * factor));
    const real = scale / before;
    this.#seen = { scale, x: at.x - (at.x - x) * real, y: at.y - (at.y - y) * real };
  }

  panBy(x: number, y: number): void {
    this.#held = true;
    this.#seen = { ...this.#seen, x: this.#seen.x + x, y: this.#seen.y + y };
  }

  /** Moves only as far as needed to show the box. */
  reveal(box: Box): void {
    const { scale, x, y } = this.#seen;
    const shift = (from: number, length: number, room: number): number => {
      const to = from + length;
      return from < MARGIN_PX ? MARGIN_PX - from : to > room - MARGIN_PX ? room - MARGIN_PX - to : 0;
    };
    const dx = shift(box.x * scale + x, box.width * scale, this.#window.width);
    const dy = shift(box.y * scale + y, box.height * scale, this.#window.height);
    this.#seen = { scale, x: x + dx, y: y + dy };
  }

  /**
   * Moves to the active box.
   * @param calm true: move only when the box is out of view
   */
  follow(active: Box | undefined, calm: boolean): void {
    if (this.#held || this.#overview || this.#window.width === 0 || this.#fitScale() >= READABLE_SCALE) return;
    if (active !== undefined && !(calm && this.#isSeen(active))) this.#centre(active);
  }

  #home(active: Box | undefined): void {
    const scale = this.#fitScale();
    if (this.#overview || scale >= READABLE_SCALE) {
      this.#show(scale);
      return;
    }
    const wide = (this.#window.width - MARGIN_PX) / this.#drawing.width;
    this.#seen = { x: MARGIN_PX, y: MARGIN_PX, scale: Math.max(READABLE_SCALE, Math.min(1, wide)) };
    if (active !== undefined) this.#centre(active);
  }

  #fitScale(): number {
    return Math.min((this.#window.width - MARGIN_PX) / this.#drawing.width, (this.#window.height - MARGIN_PX) / this.#drawing.height);
  }

  #show(fitScale: number): void {
    const scale = Math.min(fitScale, LARGEST_FIT);
    this.#seen = { scale, x: (this.#window.width - this.#drawing.width * scale) / 2, y: (this.#window.height - this.#drawing.height * scale) / 2 };
  }

  #centre(box: Box): void {
    const { scale } = this.#seen;
    const aim = (room: number, whole: number, centre: number): number =>
      whole * scale <= room ? (room - whole * scale) / 2 : Math.min(MARGIN_PX, Math.max(room - whole * scale - MARGIN_PX, room / 2 - centre * scale));
    this.#seen = {
      scale,
      x: aim(this.#window.width, this.#drawing.width, box.x + box.width / 2),
      y: aim(this.#window.height, this.#drawing.height, box.y + box.height / 2),
    };
  }

  #isSeen(box: Box): boolean {
    const { scale, x, y } = this.#seen;
    const [left, top] = [box.x * scale + x, box.y * scale + y];
    return left >= 0 && top >= 0 && left + box.width * scale <= this.#window.width && top + box.height * scale <= this.#window.height;
  }
}
