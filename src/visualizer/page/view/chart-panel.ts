/**
 * One drawing: states as boxes, arrows with their labels, lit and dimmed by a source's model; with a camera that can be moved by
 * pointer, wheel, fingers and keys.
 */
import type { Drawing, DrawnArrow, DrawnState, EdgeLine, Point } from '../../layout-graph.ts';
import { TEXT } from '../../layout-graph.ts';
import type { ChartIndex } from '../core/chart-index.ts';
import type { SourceModel } from '../core/model.ts';
import { s, setAttributes } from './dom.ts';

/** Below this, labels cannot be read: the camera stays near what is active instead of showing everything. */
const READABLE_SCALE = 0.84;
const LARGEST_FIT = 1.35;
const [SMALLEST, LARGEST] = [0.08, 4];
const MARGIN_PX = 8;
const CORNER_PX = 6;
/** A drag that is shorter is a click. */
const DRAG_PX = 4;

export type Picked = { readonly state: string } | { readonly edges: readonly string[] };

export interface ChartPanelModules {
  readonly onHover: (picked: Picked | null) => void;
  readonly onPick: (picked: Picked) => void;
}

interface Target {
  readonly element: SVGGElement;
  readonly picked: Picked;
  readonly centre: Point;
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

export class ChartPanel {
  readonly element: SVGSVGElement;
  readonly #drawing: Drawing;
  readonly #index: ChartIndex;
  readonly #modules: ChartPanelModules;
  readonly #world = s('g');
  readonly #states = new Map<string, SVGGElement>();
  readonly #arrows = new Map<string, { readonly element: SVGGElement; readonly arrow: DrawnArrow; readonly label: SVGGElement | null }>();
  readonly #lines = new Map<string, SVGTextElement[]>();
  readonly #targets: Target[] = [];
  readonly #pointers = new Map<number, Point>();
  #camera = { x: 0, y: 0, scale: 1 };
  #size = { width: 0, height: 0 };
  /** The reader moved the camera: it stays. */
  #held = false;
  #source: SourceModel | null = null;
  #justTaken = -1;
  #travelled = 0;

  constructor(drawing: Drawing, index: ChartIndex, modules: ChartPanelModules) {
    this.#drawing = drawing;
    this.#index = index;
    this.#modules = modules;
    const name = drawing.region === null ? index.chart.name : (index.states.get(drawing.region)?.key ?? drawing.region);
    this.element = s('svg', { class: 'drawing', role: 'group', 'aria-label': `Drawing of ${name}`, 'data-region': drawing.region ?? 'all' });
    this.element.append(arrowHeads(), this.#world);
    this.#draw();
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  /** Lights what is active, and animates the last step. */
  update(source: SourceModel | null, animate: boolean): void {
    if (source === this.#source) return;
    const before = this.#source;
    this.#source = source;
    for (const [id, element] of this.#states) {
      const isActive = source?.active.has(id) ?? false;
      element.classList.toggle('active', isActive);
      setAttributes(element, { 'aria-current': isActive ? 'true' : null });
    }
    const last = new Set(source?.last?.edges);
    for (const { element, arrow, label } of this.#arrows.values()) {
      const taken = arrow.edges.some((edge) => source?.taken.has(edge) ?? false);
      const now = arrow.edges.some((edge) => last.has(edge));
      for (const part of label === null ? [element] : [element, label]) {
        part.classList.toggle('never', !taken);
        part.classList.toggle('last', now);
      }
    }
    for (const [edge, lines] of this.#lines) {
      for (const line of lines) {
        line.classList.toggle('never', !(source?.taken.has(edge) ?? false));
        line.classList.toggle('last', last.has(edge));
      }
    }
    const place = source?.last?.place ?? -1;
    if (place !== this.#justTaken) {
      this.#justTaken = place;
      if (animate && before !== null) this.#flash(last);
    }
    if (!this.#held && this.#size.width > 0 && this.#fitScale() < READABLE_SCALE && !this.#isOverview) this.#followActive(before !== null);
  }

  fit(): void {
    this.#held = false;
    this.#home();
  }

  /** All of it, however small. */
  fitAll(): void {
    this.#held = true;
    this.#show(Math.min(this.#fitScale(), LARGEST_FIT));
  }

  zoomBy(factor: number, at: Point = { x: this.#size.width / 2, y: this.#size.height / 2 }): void {
    this.#held = true;
    const scale = Math.max(SMALLEST, Math.min(LARGEST, this.#camera.scale * factor));
    const real = scale / this.#camera.scale;
    this.#camera = { scale, x: at.x - (at.x - this.#camera.x) * real, y: at.y - (at.y - this.#camera.y) * real };
    this.#place();
  }

  panBy(x: number, y: number): void {
    this.#held = true;
    this.#camera = { ...this.#camera, x: this.#camera.x + x, y: this.#camera.y + y };
    this.#place();
  }

  focusFirst(): void {
    const active = this.#targets.findLast(({ picked }) => 'state' in picked && (this.#source?.active.has(picked.state) ?? false));
    this.#focus(active ?? this.#targets[0]);
  }

  #draw(): void {
    const { states, arrows, starts } = this.#drawing;
    const boxes = s('g');
    const paths = s('g');
    const labels = s('g');
    for (const state of states) boxes.append(this.#drawState(state));
    for (const { dot, points } of starts) {
      paths.append(
        s('g', { class: 'start' }, s('circle', { cx: dot.x + dot.width / 2, cy: dot.y + dot.height / 2, r: 4.5 }), s('path', { d: pathOf(points), 'marker-end': 'url(#head)' })),
      );
    }
    for (const arrow of arrows) {
      const element = s('g', { class: 'arrow never', 'data-arrow': arrow.id });
      element.append(s('path', { class: 'hit', d: pathOf(arrow.points) }), s('path', { class: 'line', d: pathOf(arrow.points), 'marker-end': 'url(#head)' }));
      paths.append(element);
      const label = arrow.label === null ? null : this.#drawLabel(arrow, arrow.label);
      if (label !== null) labels.append(label);
      this.#arrows.set(arrow.id, { element, arrow, label });
      this.#hover(element, { edges: arrow.edges });
    }
    this.#world.append(boxes, paths, labels);
    const first = this.#targets[0];
    if (first !== undefined) first.element.tabIndex = 0;
  }

  #drawState(drawn: DrawnState): SVGGElement {
    const state = this.#index.states.get(drawn.id)!;
    const depth = depthOf(this.#index, drawn.id);
    const group = s('g', {
      class: `state ${state.type}${drawn.holds ? ' holds' : ''}${this.#isRegion(drawn.id) ? ' region' : ''}`,
      'data-state': drawn.id,
      role: 'button',
      'aria-label': `state ${state.key}`,
    });
    group.append(
      s('rect', { x: drawn.x, y: drawn.y, width: drawn.width, height: drawn.height, rx: drawn.holds ? 10 : 7, class: `box depth-${depth % 2}` }),
    );
    if (state.type === 'final') {
      group.append(s('rect', { x: drawn.x + 3, y: drawn.y + 3, width: drawn.width - 6, height: drawn.height - 6, rx: 5, class: 'inner' }));
    }
    const middle = drawn.y + (drawn.holds || drawn.inside.length > 0 ? 18 : drawn.height / 2 + 4.5);
    const title = s('text', { x: drawn.x + TEXT.padPx + 14, y: middle, class: 'title' }, state.type === 'history' ? `H ${state.key}` : state.key);
    // A mark besides the colour.
    group.append(s('circle', { cx: drawn.x + TEXT.padPx + 3, cy: middle - 4.5, r: 4.5, class: 'lamp' }), title);
    for (const [row, line] of drawn.inside.entries()) {
      group.append(this.#line(line, drawn.x + TEXT.padPx, drawn.y + TEXT.titleLinePx + 9 + row * TEXT.labelLinePx));
    }
    this.#states.set(drawn.id, group);
    this.#target(group, { state: drawn.id }, drawn.holds ? { ...drawn, height: 30 } : drawn);
    return group;
  }

  #drawLabel(arrow: DrawnArrow, label: NonNullable<DrawnArrow['label']>): SVGGElement {
    const names = arrow.edges.map((id) => this.#index.edges.get(id)?.label ?? id);
    const keyOf = (id: string): string => this.#index.states.get(id)?.key ?? id;
    const group = s('g', {
      class: 'label never',
      'data-arrow': arrow.id,
      role: 'button',
      'aria-label': `${names.join(', ')}: from ${keyOf(arrow.source)} to ${keyOf(arrow.target)}`,
    });
    group.append(s('rect', { x: label.x, y: label.y, width: label.width, height: label.height, rx: 4, class: 'plate' }));
    for (const [row, line] of label.lines.entries()) group.append(this.#line(line, label.x + 4, label.y + 12.5 + row * TEXT.labelLinePx));
    this.#target(group, { edges: arrow.edges }, label);
    return group;
  }

  #line({ edge, text }: EdgeLine, x: number, y: number): SVGTextElement {
    const kind = this.#index.edges.get(edge)?.kind ?? 'event';
    const indent = text.length - text.trimStart().length;
    const element = s('text', { x: x + indent * TEXT.labelCharPx, y, class: `edge-text kind-${kind} never`, 'data-edge': edge }, text.trimStart());
    this.#lines.set(edge, [...(this.#lines.get(edge) ?? []), element]);
    return element;
  }

  #isRegion(id: string): boolean {
    const parent = this.#index.states.get(id)?.parent;
    return parent !== null && parent !== undefined && this.#index.states.get(parent)?.type === 'parallel';
  }

  #target(element: SVGGElement, picked: Picked, box: Target['box']): void {
    element.tabIndex = -1;
    this.#targets.push({ element, picked, box, centre: { x: box.x + box.width / 2, y: box.y + box.height / 2 } });
    this.#hover(element, picked);
  }

  #hover(element: SVGGElement, picked: Picked): void {
    element.addEventListener('pointerover', (event) => {
      event.stopPropagation();
      this.#modules.onHover(picked);
      this.#mark(picked, true);
    });
    element.addEventListener('pointerout', () => {
      this.#modules.onHover(null);
      this.#mark(picked, false);
    });
    element.addEventListener('click', (event) => {
      event.stopPropagation();
      if (this.#travelled < DRAG_PX) this.#modules.onPick(picked);
    });
    element.addEventListener('focus', () => {
      this.#modules.onHover(picked);
      this.#mark(picked, true);
    });
    element.addEventListener('blur', () => {
      this.#modules.onHover(null);
      this.#mark(picked, false);
    });
  }

  /** An arrow and its label are pointed at together. */
  #mark(picked: Picked, pointed: boolean): void {
    if ('state' in picked) return;
    for (const { arrow, element, label } of this.#arrows.values()) {
      if (arrow.edges !== picked.edges) continue;
      element.classList.toggle('pointed', pointed);
      label?.classList.toggle('pointed', pointed);
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
    element.addEventListener('pointermove', (event) => {
      // It may have been let go of elsewhere.
      if (event.buttons === 0) this.#pointers.delete(event.pointerId);
      const from = this.#pointers.get(event.pointerId);
      if (from === undefined) return;
      const to = this.#local(event);
      this.#travelled += Math.hypot(to.x - from.x, to.y - from.y);
      if (this.#travelled >= DRAG_PX && !element.hasPointerCapture(event.pointerId)) element.setPointerCapture(event.pointerId);
      const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      if (other === undefined) this.panBy(to.x - from.x, to.y - from.y);
      else this.zoomBy(Math.hypot(to.x - other.x, to.y - other.y) / Math.max(1, Math.hypot(from.x - other.x, from.y - other.y)), other);
      this.#pointers.set(event.pointerId, to);
    });
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture'] as const) {
      element.addEventListener(name, (event) => void this.#pointers.delete(event.pointerId));
    }
    element.addEventListener('keydown', (event) => this.#onKey(event));
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const directions: Readonly<Record<string, Point>> = {
      ArrowLeft: { x: -1, y: 0 },
      ArrowRight: { x: 1, y: 0 },
      ArrowUp: { x: 0, y: -1 },
      ArrowDown: { x: 0, y: 1 },
    };
    const direction = directions[event.key];
    const focused = this.#targets.find(({ element }) => element === document.activeElement);
    if (direction !== undefined) {
      if (event.shiftKey) this.panBy(-60 * direction.x, -60 * direction.y);
      else this.#focus(focused === undefined ? this.#targets[0] : this.#nearest(focused, direction));
    } else if ((event.key === 'Enter' || event.key === ' ') && focused !== undefined) this.#modules.onPick(focused.picked);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The next one in a direction: near, and not far to the side. */
  #nearest(from: Target, direction: Point): Target | undefined {
    let best: Target | undefined;
    let least = Infinity;
    for (const target of this.#targets) {
      const [x, y] = [target.centre.x - from.centre.x, target.centre.y - from.centre.y];
      const along = x * direction.x + y * direction.y;
      const aside = Math.abs(x * direction.y) + Math.abs(y * direction.x);
      if (target === from || along <= 1) continue;
      const far = along + 2.5 * aside;
      if (far < least) [best, least] = [target, far];
    }
    return best;
  }

  #focus(target: Target | undefined): void {
    if (target === undefined) return;
    for (const { element } of this.#targets) element.tabIndex = -1;
    target.element.tabIndex = 0;
    target.element.focus({ preventScroll: true });
    this.#reveal(target.box);
  }

  #reveal(box: Target['box']): void {
    const { scale, x, y } = this.#camera;
    const [left, top] = [box.x * scale + x, box.y * scale + y];
    const [right, bottom] = [left + box.width * scale, top + box.height * scale];
    const dx = left < MARGIN_PX ? MARGIN_PX - left : right > this.#size.width - MARGIN_PX ? this.#size.width - MARGIN_PX - right : 0;
    const dy = top < MARGIN_PX ? MARGIN_PX - top : bottom > this.#size.height - MARGIN_PX ? this.#size.height - MARGIN_PX - bottom : 0;
    if (dx === 0 && dy === 0) return;
    this.#camera = { scale, x: x + dx, y: y + dy };
    this.#place();
  }

  #resize(): void {
    const { width, height } = this.element.getBoundingClientRect();
    if (width === 0 || height === 0) return;
    this.#size = { width, height };
    if (this.#held) this.#place();
    else this.#home();
  }

  #fitScale(): number {
    const { width, height } = this.#drawing;
    return Math.min((this.#size.width - MARGIN_PX) / width, (this.#size.height - MARGIN_PX) / height);
  }

  /** The whole of a machine with regions: each of them has a drawing in which labels can be read. */
  get #isOverview(): boolean {
    return this.#drawing.region === null && this.#index.regions.length > 0;
  }

  #home(): void {
    if (this.#size.width === 0) return;
    const scale = this.#fitScale();
    if (this.#isOverview || scale >= READABLE_SCALE) this.#show(Math.min(scale, LARGEST_FIT));
    else {
      const wide = (this.#size.width - MARGIN_PX) / this.#drawing.width;
      this.#camera = { x: MARGIN_PX, y: MARGIN_PX, scale: Math.max(READABLE_SCALE, Math.min(1, wide)) };
      this.#followActive(false);
      this.#place();
    }
  }

  #show(scale: number): void {
    const { width, height } = this.#drawing;
    this.#camera = { scale, x: (this.#size.width - width * scale) / 2, y: (this.#size.height - height * scale) / 2 };
    this.#place();
  }

  /**
   * Moves the camera to the innermost active state; where several are, to the first region's.
   * @param calm only where it cannot be seen
   */
  #followActive(calm: boolean): void {
    const active = this.#drawing.states.find(({ id, holds }) => !holds && (this.#source?.active.has(id) ?? false));
    if (active === undefined) return;
    const { scale } = this.#camera;
    const { width, height } = this.#drawing;
    if (calm && this.#isSeen(active)) return;
    const aim = (size: number, whole: number, centre: number): number =>
      whole * scale <= size ? (size - whole * scale) / 2 : Math.min(MARGIN_PX, Math.max(size - whole * scale - MARGIN_PX, size / 2 - centre * scale));
    this.#camera = {
      scale,
      x: aim(this.#size.width, width, active.x + active.width / 2),
      y: aim(this.#size.height, height, active.y + active.height / 2),
    };
    this.#place();
  }

  #isSeen(box: Target['box']): boolean {
    const { scale, x, y } = this.#camera;
    const [left, top] = [box.x * scale + x, box.y * scale + y];
    return left >= 0 && top >= 0 && left + box.width * scale <= this.#size.width && top + box.height * scale <= this.#size.height;
  }

  #place(): void {
    const { x, y, scale } = this.#camera;
    setAttributes(this.#world, { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${scale.toFixed(4)})` });
    setAttributes(this.element, { 'data-scale': scale.toFixed(3) });
  }

  /** Starts the animation of the edges just taken anew. */
  #flash(edges: ReadonlySet<string>): void {
    for (const { element, arrow, label } of this.#arrows.values()) {
      if (!arrow.edges.some((edge) => edges.has(edge))) continue;
      for (const part of label === null ? [element] : [element, label]) restart(part);
    }
    for (const edge of edges) for (const line of this.#lines.get(edge) ?? []) restart(line);
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

function depthOf(index: ChartIndex, id: string): number {
  let depth = 0;
  for (let at = index.states.get(id)?.parent ?? null; at !== null; at = index.states.get(at)?.parent ?? null) depth += 1;
  return depth;
}

function arrowHeads(): SVGDefsElement {
  const head = s('marker', { id: 'head', viewBox: '0 0 10 10', refX: 9, refY: 5, markerWidth: 9, markerHeight: 9, markerUnits: 'userSpaceOnUse', orient: 'auto-start-reverse' });
  head.append(s('path', { d: 'M 0 1 L 10 5 L 0 9 z', class: 'head' }));
  return s('defs', {}, head);
}

/** A line with round corners. */
function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M ${first.x} ${first.y}`;
  let from = first;
  for (const [place, point] of rest.entries()) {
    const next = rest[place + 1];
    if (next === undefined) path += ` L ${point.x} ${point.y}`;
    else {
      const [before, behind] = [towards(point, from), towards(point, next)];
      path += ` L ${before.x} ${before.y} Q ${point.x} ${point.y} ${behind.x} ${behind.y}`;
    }
    from = point;
  }
  return path;
}

function towards(from: Point, to: Point): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  if (length === 0) return from;
  const share = Math.min(CORNER_PX, length / 2) / length;
  return { x: Number((from.x + (to.x - from.x) * share).toFixed(1)), y: Number((from.y + (to.y - from.y) * share).toFixed(1)) };
}
