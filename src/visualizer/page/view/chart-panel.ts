/**
 * One drawing. The model of a source decides which parts are highlighted. Pointer, wheel, touch and keys move the camera and select states
 * and arrows.
 */
import type { Box, Drawing, Point } from '../../layout-graph.ts';
import { Camera } from '../core/camera.ts';
import type { ChartIndex } from '../core/chart-index.ts';
import type { SourceModel } from '../core/model.ts';
import { neighbourOf } from '../core/neighbour.ts';
import { drawChart, type ChartElements, type Picked, type Target } from './chart-elements.ts';
import { s, setAttributes } from './dom.ts';

/** Minimum length of a drag; anything shorter is a click. Pixels. */
const DRAG_PX = 4;
const KEY_PAN_PX = 60;

const DIRECTIONS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

export interface ChartPanelModules {
  readonly onHover: (picked: Picked | null) => void;
  readonly onPick: (picked: Picked) => void;
}

export class ChartPanel {
  readonly element: SVGSVGElement;
  readonly #drawing: Drawing;
  readonly #modules: ChartPanelModules;
  readonly #drawn: ChartElements;
  readonly #camera: Camera;
  readonly #pointers = new Map<number, Point>();
  #source: SourceModel | null = null;
  #justTaken = -1;
  /** Distance that the pointers moved since the last press. Pixels. */
  #travelled = 0;

  constructor(drawing: Drawing, index: ChartIndex, modules: ChartPanelModules) {
    this.#drawing = drawing;
    this.#modules = modules;
    this.#drawn = drawChart(drawing, index);
    this.#camera = new Camera({ drawing, overview: drawing.region === null && index.regions.length > 0 });
    const name = drawing.region === null ? index.chart.name : (index.states.get(drawing.region)?.key ?? drawing.region);
    this.element = s('svg', { class: 'drawing', role: 'group', 'aria-label': `Drawing of ${name}`, 'data-region': drawing.region ?? 'all' });
    this.element.append(this.#drawn.heads, this.#drawn.world);
    for (const { element, picked } of [...this.#drawn.targets, ...this.#drawn.paths]) this.#listenTo(element, picked);
    this.#listen();
    new ResizeObserver(() => this.#move(() => this.#camera.resize(this.element.getBoundingClientRect(), this.#activeBox()))).observe(this.element);
  }

  /** Highlights the active states, and animates the last step. */
  update(source: SourceModel | null, animate: boolean): void {
    if (source === this.#source) return;
    const before = this.#source;
    this.#source = source;
    for (const [id, element] of this.#drawn.states) {
      const isActive = source?.active.has(id) ?? false;
      element.classList.toggle('active', isActive);
      setAttributes(element, { 'aria-current': isActive ? 'true' : null });
    }
    const last = new Set(source?.last?.edges);
    const light = (parts: readonly SVGElement[], edges: readonly string[]): void => {
      for (const part of parts) {
        part.classList.toggle('never', !edges.some((edge) => source?.taken.has(edge) ?? false));
        part.classList.toggle('last', edges.some((edge) => last.has(edge)));
      }
    };
    for (const { arrow, parts } of this.#drawn.arrows) light(parts, arrow.edges);
    for (const [edge, lines] of this.#drawn.lines) light(lines, [edge]);
    const place = source?.last?.place ?? -1;
    if (place !== this.#justTaken) {
      this.#justTaken = place;
      if (animate && before !== null) this.#flash(last);
    }
    this.#move(() => this.#camera.follow(this.#activeBox(), before !== null));
  }

  fit(): void {
    this.#move(() => this.#camera.fit(this.#activeBox()));
  }

  /** Fits the whole drawing into the window, even if it becomes too small to read. */
  fitAll(): void {
    this.#move(() => this.#camera.fitAll());
  }

  zoomBy(factor: number, at?: Point): void {
    this.#move(() => this.#camera.zoomBy(factor, at));
  }

  panBy(x: number, y: number): void {
    this.#move(() => this.#camera.panBy(x, y));
  }

  focusFirst(): void {
    const { targets } = this.#drawn;
    const active = targets.findLast(({ picked }) => 'state' in picked && (this.#source?.active.has(picked.state) ?? false));
    this.#focus(active ?? targets[0]);
  }

  /** The box of the innermost active state. If several regions are active, the box is the one in the first region. */
  #activeBox(): Box | undefined {
    return this.#drawing.states.find(({ id, holds }) => !holds && (this.#source?.active.has(id) ?? false));
  }

  #move(change: () => void): void {
    change();
    const { x, y, scale } = this.#camera.seen;
    setAttributes(this.#drawn.world, { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${scale.toFixed(4)})` });
    setAttributes(this.element, { 'data-scale': scale.toFixed(3) });
  }

  /** Starts or restarts the animation of the edges that were just taken. */
  #flash(edges: ReadonlySet<string>): void {
    for (const { arrow, parts } of this.#drawn.arrows) if (arrow.edges.some((edge) => edges.has(edge))) parts.forEach(restart);
    for (const edge of edges) this.#drawn.lines.get(edge)?.forEach(restart);
  }

  #listenTo(element: SVGGElement, picked: Picked): void {
    const point = (): void => {
      this.#modules.onHover(picked);
      this.#mark(picked, true);
    };
    const leave = (): void => {
      this.#modules.onHover(null);
      this.#mark(picked, false);
    };
    element.addEventListener('pointerover', (event) => {
      event.stopPropagation();
      point();
    });
    element.addEventListener('pointerout', leave);
    element.addEventListener('focus', point);
    element.addEventListener('blur', leave);
    element.addEventListener('click', (event) => {
      event.stopPropagation();
      if (this.#travelled < DRAG_PX) this.#modules.onPick(picked);
    });
  }

  /** Marks an arrow and its label together. */
  #mark(picked: Picked, pointed: boolean): void {
    if ('state' in picked) return;
    for (const { arrow, parts } of this.#drawn.arrows) {
      if (arrow.edges === picked.edges) for (const part of parts) part.classList.toggle('pointed', pointed);
    }
  }

  #listen(): void {
    const { element } = this;
    element.addEventListener('wheel', (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), this.#local(event));
    });
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      this.#pointers.set(event.pointerId, this.#local(event));
      this.#travelled = 0;
    });
    element.addEventListener('pointermove', (event) => this.#drag(event));
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture'] as const) {
      element.addEventListener(name, (event) => void this.#pointers.delete(event.pointerId));
    }
    element.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Dragging with one pointer moves the drawing; dragging with two pointers zooms it. */
  #drag(event: PointerEvent): void {
    // The pointer may have been released outside the drawing.
    if (event.buttons === 0) this.#pointers.delete(event.pointerId);
    const from = this.#pointers.get(event.pointerId);
    if (from === undefined) return;
    const to = this.#local(event);
    this.#travelled += Math.hypot(to.x - from.x, to.y - from.y);
    if (this.#travelled >= DRAG_PX && !this.element.hasPointerCapture(event.pointerId)) this.element.setPointerCapture(event.pointerId);
    const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (other === undefined) this.panBy(to.x - from.x, to.y - from.y);
    else this.zoomBy(Math.hypot(to.x - other.x, to.y - other.y) / Math.max(1, Math.hypot(from.x - other.x, from.y - other.y)), other);
    this.#pointers.set(event.pointerId, to);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = DIRECTIONS[event.key];
    const { targets } = this.#drawn;
    const focused = targets.find(({ element }) => element === document.activeElement);
    if (direction !== undefined) {
      if (event.shiftKey) this.panBy(-KEY_PAN_PX * direction.x, -KEY_PAN_PX * direction.y);
      else this.#focus(focused === undefined ? targets[0] : neighbourOf(focused, direction, targets));
    } else if ((event.key === 'Enter' || event.key === ' ') && focused !== undefined) this.#modules.onPick(focused.picked);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #focus(target: Target | undefined): void {
    if (target === undefined) return;
    for (const { element } of this.#drawn.targets) element.tabIndex = -1;
    target.element.tabIndex = 0;
    target.element.focus({ preventScroll: true });
    this.#move(() => this.#camera.reveal(target.box));
  }

  #local(event: MouseEvent): Point {
    const { left, top } = this.element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }
}

function restart(element: SVGElement): void {
  element.classList.remove('just');
  void element.getBoundingClientRect();
  element.classList.add('just');
}
