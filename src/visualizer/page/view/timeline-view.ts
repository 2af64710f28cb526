/**
 * The timeline. Shows for each source its states over time, its spans with their steps, and its marks. The reader can move the playhead by
 * dragging or with keys.
 */
import { wentWell, type Lane, type Mark, type Span } from '../core/lanes.ts';
import { clockText, durationText, tickStepMs } from '../core/time-text.ts';
import { h, s, setAttributes } from './dom.ts';
import { ENDED_SHAPE, toneOf, type Frame } from './frame.ts';
import { sortedSources } from './sources-view.ts';

const GUTTER_PX = 92;
const NARROW_GUTTER_PX = 64;
const NARROW_PX = 600;
const AXIS_PX = 20;
const STAY_PX = 17;
const ROW_PX = 13;
const MARKS_PX = 13;
const LANE_GAP_PX = 7;
/** Items thinner than this are not drawn separately. Pixels. */
const THIN_PX = 0.7;
const CHAR_PX = 6.4;
const SMALL_CHAR_PX = 5.6;
const [SHORTEST_MS, LONGEST_MS] = [50, 7 * 86_400_000];
/** Until the reader sets the window, it is slightly longer than the history, but within this maximum and minimum. Milliseconds. */
const [FIRST_WINDOW_MS, FIRST_WINDOW_LEAST_MS] = [60_000, 10_000];
/** Room to the right of the latest moment, as a share of the window. */
const AHEAD_SHARE = 0.02;

const MARK_SHAPES: Readonly<Record<Mark['kind'], string>> = {
  start: '▸',
  end: ENDED_SHAPE,
  dropped: '▽',
  info: 'i',
  fault: '⚠',
  failure: '✖',
};

export interface TimelineModules {
  readonly goToTime: (atMs: number) => void;
  readonly choose: (source: string) => void;
  readonly changed: () => void;
}

export class TimelineView {
  readonly element: HTMLElement;
  readonly #modules: TimelineModules;
  /** The drawn lanes. The playhead is separate, so that a replay can move the playhead without drawing the lanes again. */
  readonly #scene = s('g');
  readonly #head = s('g');
  readonly #svg = s('svg', { class: 'lanes' }, hatch(), this.#scene, this.#head);
  readonly #field: HTMLElement;
  #spanMs = FIRST_WINDOW_MS;
  #set = false;
  /** The end of the window; null: the window follows the shown moment. */
  #endMs: number | null = null;
  #chosenOnly = false;
  #whole = false;
  #frame: Frame | null = null;
  #drawn = '';
  #height = 0;

  constructor(modules: TimelineModules) {
    this.#modules = modules;
    this.#field = h('div', { class: 'field', role: 'slider', tabindex: 0, 'aria-label': 'Moment' }, this.#svg);
    this.element = h('div', { class: 'timeline-body' }, this.#field);
    this.#listen();
    new ResizeObserver(() => this.#draw()).observe(this.#field);
  }

  get chosenOnly(): boolean {
    return this.#chosenOnly;
  }

  update(frame: Frame): void {
    this.#frame = frame;
    this.#draw();
  }

  toggleLanes(): void {
    this.#chosenOnly = !this.#chosenOnly;
    this.#modules.changed();
  }

  showWhole(): void {
    this.#whole = true;
    this.#endMs = null;
    this.#modules.changed();
  }

  zoomBy(factor: number, aroundMs?: number): void {
    const frame = this.#frame;
    if (frame === null) return;
    const { fromMs, toMs } = this.#window(frame);
    const around = aroundMs ?? frame.atMs;
    this.#whole = false;
    this.#set = true;
    this.#spanMs = Math.max(SHORTEST_MS, Math.min(LONGEST_MS, (toMs - fromMs) * factor));
    if (frame.moment.at === 'live' && aroundMs === undefined) this.#endMs = null;
    else this.#endMs = around + (toMs - around) * (this.#spanMs / (toMs - fromMs));
    this.#modules.changed();
  }

  /** Makes the window follow the shown moment again. */
  follow(): void {
    this.#endMs = null;
  }

  focus(): void {
    this.#field.focus();
  }

  get windowMs(): number {
    const frame = this.#frame;
    if (frame === null) return this.#spanMs;
    const { fromMs, toMs } = this.#window(frame);
    return toMs - fromMs;
  }

  #window({ atMs, history, moment, replay }: Frame): { readonly fromMs: number; readonly toMs: number } {
    if (this.#whole) {
      const length = Math.max(1_000, history.lastMs - history.firstMs);
      return { fromMs: history.firstMs - length * 0.01, toMs: history.lastMs + length * 0.02 };
    }
    if (!this.#set) this.#spanMs = Math.max(FIRST_WINDOW_LEAST_MS, Math.min(FIRST_WINDOW_MS, (Math.max(atMs, history.lastMs) - history.firstMs) * 1.1));
    const ahead = this.#spanMs * AHEAD_SHARE;
    if (moment.at === 'live' && this.#endMs === null) return { fromMs: atMs + ahead - this.#spanMs, toMs: atMs + ahead };
    // The window does not move while the playhead stays inside it, so that the reader can look around.
    let end = this.#endMs ?? (replay ? atMs + this.#spanMs * 0.5 : Math.max(atMs, history.lastMs) + ahead);
    if (atMs > end - ahead) end = atMs + this.#spanMs * (moment.at === 'playing' ? 0.6 : 0.1);
    if (atMs < end - this.#spanMs) end = atMs + this.#spanMs * 0.9;
    this.#endMs = end;
    return { fromMs: end - this.#spanMs, toMs: end };
  }

  #gutter(width: number): number {
    return width < NARROW_PX ? NARROW_GUTTER_PX : GUTTER_PX;
  }

  #draw(): void {
    const frame = this.#frame;
    const width = this.#field.clientWidth;
    if (frame === null || width === 0) return;
    const { fromMs, toMs } = this.#window(frame);
    const gutter = this.#gutter(width);
    const scale = (width - gutter) / (toMs - fromMs);
    const view: View = { frame, fromMs, toMs, gutter, width, x: (ms) => gutter + (Math.max(fromMs - 1, Math.min(toMs + 1, ms)) - fromMs) * scale };
    const endMs = Math.max(frame.atMs, frame.history.lastMs);
    const key = [width, fromMs, toMs, endMs, frame.chosen?.name, this.#chosenOnly, frame.history.lastPlace, this.element.clientHeight].join(' ');
    if (key !== this.#drawn) {
      this.#drawn = key;
      this.#drawScene(view);
    }
    this.#head.replaceChildren(...drawPlayhead(this.#height, view));
    setAttributes(this.#field, {
      'aria-valuemin': Math.round(frame.history.firstMs),
      'aria-valuemax': Math.round(frame.history.lastMs),
      'aria-valuenow': Math.round(frame.atMs),
      'aria-valuetext': `${clockText(frame.atMs, frame.ofDay)}${frame.moment.at === 'live' ? ', live' : ''}`,
    });
  }

  #drawScene(view: View): void {
    const { frame, width } = view;
    const sources = sortedSources(frame.history.latest === frame.model ? frame : { model: frame.history.latest });
    const listed = this.#chosenOnly && frame.chosen !== null ? sources.filter(({ name }) => name === frame.chosen?.name) : sources;
    const parts: SVGElement[] = [];
    let y = AXIS_PX;
    parts.push(...drawMarks(frame.lanes.common, y - 3, view));
    if (frame.lanes.common.length > 0) y += MARKS_PX;
    for (const { name } of listed) {
      const lane = frame.lanes.all.get(name);
      if (lane === undefined) continue;
      const rows = lane.rows.length;
      const height = STAY_PX + rows * ROW_PX + MARKS_PX;
      parts.push(this.#laneHead(name, y, height, view));
      parts.push(...drawStays(name, lane, y, view));
      for (const [row, spans] of lane.rows.entries()) {
        parts.push(...drawSpans(lane.spans.filter((span) => span.row === spans), y + STAY_PX + 1 + row * ROW_PX, view));
      }
      parts.push(...drawMarks(lane.marks, y + STAY_PX + rows * ROW_PX, view));
      y += height + LANE_GAP_PX;
    }
    const height = Math.max(y, this.element.clientHeight - 2);
    this.#height = height;
    this.#scene.replaceChildren(...drawAxis(height, view), ...parts, ...drawFailures(frame, height, view));
    setAttributes(this.#svg, { width, height, viewBox: `0 0 ${width} ${height}` });
  }

  #laneHead(name: string, y: number, height: number, view: View): SVGElement {
    const chosen = view.frame.chosen?.name === name;
    const limit = Math.floor((view.gutter - 14) / 6.8);
    const text = name.length > limit ? `${name.slice(0, limit - 1)}…` : name;
    const group = s('g', { class: `lane-head${chosen ? ' chosen' : ''}`, 'data-source': name });
    group.append(
      s('rect', { x: 0, y: y - 2, width: view.width, height: height + 4, class: 'lane-back' }),
      s('text', { x: 8, y: y + 13, class: 'lane-name' }, text),
    );
    group.addEventListener('click', (event) => {
      if (event.offsetX < view.gutter) this.#modules.choose(name);
    });
    return group;
  }

  #listen(): void {
    const field = this.#field;
    const timeAt = (event: MouseEvent): number | null => {
      const frame = this.#frame;
      if (frame === null) return null;
      const { left, width } = field.getBoundingClientRect();
      const gutter = this.#gutter(width);
      if (event.clientX - left < gutter) return null;
      const { fromMs, toMs } = this.#window(frame);
      return fromMs + ((event.clientX - left - gutter) / (width - gutter)) * (toMs - fromMs);
    };
    let dragging = false;
    field.addEventListener('pointerdown', (event) => {
      const atMs = timeAt(event);
      if (atMs === null || event.button !== 0) return;
      dragging = true;
      field.setPointerCapture(event.pointerId);
      this.#hold();
      this.#modules.goToTime(atMs);
    });
    field.addEventListener('pointermove', (event) => {
      const atMs = dragging ? timeAt(event) : null;
      if (atMs !== null) this.#modules.goToTime(atMs);
    });
    for (const name of ['pointerup', 'pointercancel'] as const) field.addEventListener(name, () => (dragging = false));
    field.addEventListener('wheel', (event) => {
      const atMs = timeAt(event);
      if (atMs === null || (event.deltaY === 0 && event.deltaX === 0) || (!event.ctrlKey && !event.shiftKey && this.#scrolls())) return;
      event.preventDefault();
      this.zoomBy(Math.exp((event.deltaY || event.deltaX) * 0.002), atMs);
    });
  }

  /** Keeps the window where it is. */
  #hold(): void {
    this.#set = true;
    if (this.#frame !== null && !this.#whole) this.#endMs = this.#window(this.#frame).toMs;
  }

  #scrolls(): boolean {
    return this.element.scrollHeight > this.element.clientHeight + 1;
  }
}

interface View {
  readonly frame: Frame;
  readonly fromMs: number;
  readonly toMs: number;
  readonly gutter: number;
  readonly width: number;
  readonly x: (ms: number) => number;
}

function withTitle<Element extends SVGElement>(element: Element, title: string): Element {
  element.append(s('title', {}, title));
  return element;
}

function hatch(): SVGElement {
  const pattern = s('pattern', { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' });
  pattern.append(s('rect', { width: 2.5, height: 6, class: 'hatch-line' }));
  return s('defs', {}, pattern);
}

function drawAxis(height: number, view: View): SVGElement[] {
  const step = tickStepMs(view.toMs - view.fromMs, Math.max(2, (view.width - view.gutter) / 110));
  const parts: SVGElement[] = [];
  for (let at = Math.ceil(view.fromMs / step) * step; at <= view.toMs; at += step) {
    const x = view.x(at);
    const text = clockText(at, view.frame.ofDay).slice(0, step < 1_000 ? undefined : -4);
    parts.push(s('line', { x1: x, x2: x, y1: 14, y2: height, class: 'grid' }));
    if (x > view.gutter + 24 && x < view.width - 30) parts.push(s('text', { x, y: 11, class: 'tick' }, text));
  }
  return parts;
}

function drawStays(name: string, lane: Lane, y: number, view: View): SVGElement[] {
  const { model } = view.frame;
  const source = view.frame.history.latest.sources.get(name) ?? model.sources.get(name);
  const parts: SVGElement[] = [];
  for (const stay of lane.stays) {
    const toMs = stay.toMs ?? Math.max(view.frame.atMs, view.frame.history.lastMs);
    if (toMs < view.fromMs || stay.fromMs > view.toMs) continue;
    const [left, right] = [view.x(stay.fromMs), view.x(toMs)];
    if (right - left < THIN_PX && stay.toMs !== null) continue;
    const { shape, tone } = source === undefined ? { shape: '?', tone: 'ended' } : toneOf(view.frame.history.latest, source, stay.state);
    const width = Math.max(1.5, right - left - 1);
    const bar = s('g', { class: 'stay', 'data-tone': tone, 'data-state': stay.state });
    bar.append(s('rect', { x: left, y, width, height: STAY_PX - 3, rx: 3 }));
    const text = `${shape} ${stay.state}`;
    const room = Math.floor((width - 8) / CHAR_PX);
    if (room >= 1) bar.append(s('text', { x: left + 4, y: y + 10.5 }, text.length <= room ? text : room < 5 ? shape : `${text.slice(0, room - 1)}…`));
    parts.push(withTitle(bar, `${stay.state} for ${durationText(toMs - stay.fromMs)}${stay.reason === null ? '' : `: ${stay.reason}`}`));
  }
  return parts;
}

function drawSpans(spans: readonly Span[], y: number, view: View): SVGElement[] {
  const parts: SVGElement[] = [];
  let drawnTo = -Infinity;
  for (const span of spans) {
    const toMs = span.toMs ?? Math.max(view.frame.atMs, view.frame.history.lastMs);
    if (toMs < view.fromMs || span.fromMs > view.toMs) continue;
    const [left, right] = [view.x(span.fromMs), view.x(toMs)];
    const width = Math.max(2, right - left);
    if (left + width - drawnTo < THIN_PX) continue;
    drawnTo = left + width;
    const kind = span.outcome === null ? 'running' : wentWell(span.outcome) ? 'well' : 'badly';
    const bar = s('g', { class: `span ${kind}` });
    bar.append(s('rect', { x: left, y, width, height: ROW_PX - 3, rx: 2, class: 'whole' }));
    if (kind === 'badly') bar.append(s('rect', { x: left, y, width, height: ROW_PX - 3, rx: 2, fill: 'url(#hatch)' }));
    for (const step of span.steps.slice(1)) {
      const x = view.x(step.fromMs);
      if (x - left > 1.5 && right - x > 1.5) bar.append(s('line', { x1: x, x2: x, y1: y, y2: y + ROW_PX - 3, class: 'step' }));
    }
    const took = durationText(toMs - span.fromMs);
    const room = Math.floor((width - 6) / SMALL_CHAR_PX);
    const said = span.outcome === null ? '…' : kind === 'well' ? took : `✗ ${span.outcome} (${took})`;
    const text = said.length + span.name.length < room ? `${span.name} ${said}` : said;
    if (room >= (kind === 'badly' ? 8 : said.length)) bar.append(s('text', { x: left + 3, y: y + 8.5 }, text.length <= room ? text : `${text.slice(0, room - 1)}…`));
    const steps = span.steps.map((step) => `\n${step.name} ${durationText((step.toMs ?? toMs) - step.fromMs)}`).join('');
    parts.push(withTitle(bar, `${span.name} ${durationText(toMs - span.fromMs)}: ${span.outcome ?? 'runs'}${steps}`));
  }
  return parts;
}

function drawMarks(marks: readonly Mark[], y: number, view: View): SVGElement[] {
  const parts: SVGElement[] = [];
  const drawnTo = new Map<string, number>();
  for (const mark of marks) {
    if (mark.atMs < view.fromMs || mark.atMs > view.toMs) continue;
    const x = view.x(mark.atMs);
    if (x - (drawnTo.get(mark.kind) ?? -Infinity) < 3) continue;
    drawnTo.set(mark.kind, x);
    const element = s('text', { x, y: y + 10, class: `mark ${mark.kind}` }, MARK_SHAPES[mark.kind]);
    parts.push(withTitle(element, `${mark.kind}: ${mark.text}`));
  }
  return parts;
}

/** Draws failures across all lanes, because readers look for them. */
function drawFailures({ lanes }: Frame, height: number, view: View): SVGElement[] {
  const marks = [lanes.common, ...[...lanes.all.values()].map((lane) => lane.marks)].flat();
  return marks
    .filter(({ kind, atMs }) => kind === 'failure' && atMs >= view.fromMs && atMs <= view.toMs)
    .map(({ atMs, text }) => withTitle(s('line', { x1: view.x(atMs), x2: view.x(atMs), y1: AXIS_PX, y2: height, class: 'failure-line' }), text));
}

function drawPlayhead(height: number, view: View): SVGElement[] {
  const { atMs, moment } = view.frame;
  if (atMs < view.fromMs || atMs > view.toMs) return [];
  const x = view.x(atMs);
  const group = s('g', { class: `playhead ${moment.at}` });
  group.append(s('line', { x1: x, x2: x, y1: 4, y2: height }), s('path', { d: `M ${x - 6} 2 h 12 l -6 9 z` }));
  return [group];
}
