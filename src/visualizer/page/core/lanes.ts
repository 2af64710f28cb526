/**
 * The items on the timeline of each source: stays (each is a period in one state), spans with their steps, and marks. For each event, this
 * class compares the models before and after the event, and adds what changed. The number of kept items is limited.
 */
import type { VisualizerEvent } from '../../wire.ts';
import { activeChild, type ChartIndex, type SpanState } from './chart-index.ts';
import { LANE_LIMIT } from './limits.ts';
import { reasonOf, type Model, type SourceModel } from './model.ts';

export interface Stay {
  readonly state: string;
  reason: string | null;
  readonly fromMs: number;
  toMs: number | null;
}

export interface Step {
  readonly name: string;
  readonly fromMs: number;
  toMs: number | null;
}

export interface Span {
  readonly name: string;
  /** Name of the span's row. Spans with the same name are in the same row. */
  readonly row: string;
  readonly fromMs: number;
  toMs: number | null;
  /** null while the span runs. */
  outcome: string | null;
  readonly steps: Step[];
}

export type MarkKind = 'start' | 'end' | 'dropped' | 'info' | 'fault' | 'failure';

export interface Mark {
  readonly kind: MarkKind;
  readonly atMs: number;
  readonly place: number;
  readonly text: string;
}

export interface Lane {
  readonly stays: Stay[];
  readonly spans: Span[];
  readonly marks: Mark[];
  /** Names of the rows of spans, in order of first appearance. */
  readonly rows: string[];
  /** Spans in progress. The key is the state of the span; for a `span` event, it is the name and the number of the span. */
  readonly open: Map<string, Span>;
}

/** Outcome of a span whose end was lost in a gap, whose source has ended, or whose state the machine has left. */
const CUT_OFF = 'cut off';
const ENDED = 'ended';
/** Maximum number of span rows for one source; further kinds of work share the last row. */
const ROWS_LIMIT = 4;

export class Lanes {
  readonly #limit: number;
  readonly #lanes = new Map<string, Lane>();
  /** Notes that concern all sources. */
  readonly common: Mark[] = [];

  /** @param limit maximum number of stays, of spans and of marks that are kept for each source */
  constructor(limit = LANE_LIMIT) {
    this.#limit = limit;
  }

  /** Begins the lane of each source with the state that the model contains. */
  begin({ sources, atMs }: Model): void {
    for (const source of sources.values()) {
      const state = source.ended === null ? (source.headline ?? '?') : ENDED;
      stay(this.#lane(source.name), { state, reason: source.ended?.how ?? reasonOf(source), atMs });
    }
  }

  get all(): ReadonlyMap<string, Lane> {
    return this.#lanes;
  }

  take(before: Model, after: Model, event: VisualizerEvent): void {
    this.#take(before, after, event);
    this.#bound(event);
  }

  #bound(event: VisualizerEvent): void {
    const lane = 'source' in event && event.source !== null ? this.#lanes.get(event.source) : undefined;
    for (const items of lane === undefined ? [this.common] : [lane.stays, lane.spans, lane.marks]) {
      if (items.length > this.#limit) items.splice(0, items.length - this.#limit);
    }
  }

  #take(before: Model, after: Model, event: VisualizerEvent): void {
    const { place } = after;
    const { atMs } = event;
    if (event.kind === 'chart') return;
    if (event.kind === 'note') {
      const marks = event.source === null ? this.common : this.#lane(event.source).marks;
      marks.push({ kind: event.level, atMs, place, text: event.text });
      return;
    }
    const lane = this.#lane(event.source);
    if (event.kind === 'span') {
      takeSpan(lane, event);
      return;
    }
    const was = before.sources.get(event.source);
    const is = after.sources.get(event.source);
    if (is === undefined) return;
    if (event.kind === 'end') {
      closeAll(lane, atMs, CUT_OFF);
      const last = lane.stays.at(-1);
      const isToldAgain = last?.state === ENDED && last.fromMs === atMs;
      stay(lane, { state: ENDED, reason: event.how, atMs });
      if (!isToldAgain) lane.marks.push({ kind: 'end', atMs, place, text: event.how });
      return;
    }
    if (event.kind === 'state') {
      closeAll(lane, atMs, CUT_OFF);
      if (event.fresh) lane.marks.push({ kind: 'start', atMs, place, text: 'starts' });
      // This state is older than an end that is already known. The stream repeats the end directly after this state.
      else if (was !== undefined && was.ended !== null && atMs <= was.ended.atMs) return;
    }
    stay(lane, { state: is.headline ?? '?', reason: reasonOf(is), atMs });
    const index = after.charts.get(is.chart);
    if (index === undefined) return;
    for (const span of index.spans) follow(lane, { span, index, was, is, atMs });
    if (event.kind !== 'step') return;
    for (const id of event.edges) {
      const dropped = index.edges.get(id)?.meta['dropped'];
      if (typeof dropped === 'string') lane.marks.push({ kind: 'dropped', atMs, place, text: `${dropped} dropped` });
    }
  }

  /** Forgets everything that ended before a time. */
  forget(beforeMs: number): void {
    for (const { stays, spans, marks } of this.#lanes.values()) {
      trim(stays, ({ toMs }) => toMs !== null && toMs < beforeMs);
      trim(spans, ({ toMs }) => toMs !== null && toMs < beforeMs);
      trim(marks, ({ atMs }) => atMs < beforeMs);
    }
    trim(this.common, ({ atMs }) => atMs < beforeMs);
  }

  #lane(source: string): Lane {
    const known = this.#lanes.get(source);
    if (known !== undefined) return known;
    const lane: Lane = { stays: [], spans: [], marks: [], rows: [], open: new Map() };
    this.#lanes.set(source, lane);
    return lane;
  }
}

function stay(lane: Lane, { state, reason, atMs }: { state: string; reason: string | null; atMs: number }): void {
  const last = lane.stays.at(-1);
  if (last?.state === state) {
    last.reason = reason ?? last.reason;
    return;
  }
  if (last !== undefined) last.toMs = atMs;
  lane.stays.push({ state, reason, fromMs: atMs, toMs: null });
}

interface Following {
  readonly span: SpanState;
  readonly index: ChartIndex;
  readonly was: SourceModel | undefined;
  readonly is: SourceModel;
  readonly atMs: number;
}

function follow(lane: Lane, { span, index, is, atMs }: Following): void {
  const child = activeChild(index, span.state, is.active);
  const running = lane.open.get(span.state);
  if (child === null || child === span.idle) {
    if (running === undefined) return;
    const value = span.outcome === null ? null : is.shown[span.outcome];
    close(running, atMs, child === null ? CUT_OFF : typeof value === 'string' ? value : 'done');
    lane.open.delete(span.state);
    return;
  }
  const name = index.states.get(child)?.key ?? child;
  const step = { name, fromMs: atMs, toMs: null };
  if (running === undefined) {
    open(lane, span.state, { name: span.name, row: rowOf(lane, span.name), fromMs: atMs, toMs: null, outcome: null, steps: [step] });
    return;
  }
  const last = running.steps.at(-1);
  if (last?.name === name && last.toMs === null) return;
  if (last !== undefined) last.toMs = atMs;
  running.steps.push(step);
}

function takeSpan(lane: Lane, event: Extract<VisualizerEvent, { kind: 'span' }>): void {
  const key = `#${event.name}#${event.span}`;
  const running = lane.open.get(key);
  if (event.outcome === null) {
    const row = rowOf(lane, event.name);
    open(lane, key, { name: event.name, row, fromMs: event.atMs, toMs: null, outcome: null, steps: [] });
  } else if (running !== undefined) {
    close(running, event.atMs, event.outcome);
    lane.open.delete(key);
  }
}

function rowOf(lane: Lane, name: string): string {
  if (lane.rows.includes(name)) return name;
  if (lane.rows.length < ROWS_LIMIT) lane.rows.push(name);
  return lane.rows.includes(name) ? name : lane.rows.at(-1)!;
}

function open(lane: Lane, key: string, span: Span): void {
  lane.open.set(key, span);
  lane.spans.push(span);
}

function close(span: Span, atMs: number, outcome: string): void {
  // A span must not end before it begins, even if the clock was set back.
  span.toMs = Math.max(span.fromMs, atMs);
  span.outcome = outcome;
  const last = span.steps.at(-1);
  if (last !== undefined) last.toMs = Math.max(last.fromMs, atMs);
}

function closeAll(lane: Lane, atMs: number, outcome: string): void {
  for (const span of lane.open.values()) close(span, atMs, outcome);
  lane.open.clear();
}

function trim<Item>(items: Item[], over: (item: Item) => boolean): void {
  const first = items.findIndex((item) => !over(item));
  items.splice(0, first === -1 ? items.length : first);
}

/** Whether an outcome means success. */
export function wentWell(outcome: string): boolean {
  return /^(?:ok|done|success)\b/i.test(outcome);
}
