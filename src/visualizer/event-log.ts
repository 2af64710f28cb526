/**
 * The latest events of all sources, numbered, and limited in number and in bytes. The log drops its oldest events, but keeps the state that
 * they led to. A reader that starts late, or returns after a gap, first gets keyframes: the charts and the whole state of every source.
 * Then the reader gets the kept events. Keyframes and events are numbered without gaps.
 */
import type { Chart, EndEvent, EventSink, NewEvent, Shown, ShownEvent, StateEvent, StepEvent, VisualizerEvent } from './wire.ts';

export interface EventLogLimits {
  /** Maximum number of kept events. */
  readonly maxEvents: number;
  /** Maximum total size of the kept events as JSON. Bytes. */
  readonly maxBytes: number;
}

/** For a long-running process: enough for some hours of a quiet node, or some minutes of a busy node. */
export const LIVE_LIMITS: EventLogLimits = { maxEvents: 20_000, maxBytes: 8 * 1024 * 1024 };
/** Maximum number of known machines; further machines are ignored. */
export const MAX_CHARTS = 64;
/**
 * Maximum number of sources whose state is kept, including ended sources. When there are more, the log forgets the source that
 * `#leastWanted` returns.
 */
export const MAX_SOURCES = 256;
/** Minimum number of dropped events before the array of events is compacted. */
const COMPACT_AFTER = 1_024;

interface Entry {
  readonly n: number;
  readonly line: string;
}

/** The position of a reader. */
export interface Cursor {
  /** Keyframes that the reader gets before the events. */
  readonly keyframes: Entry[];
  next: number;
}

/** The state of a source just before the oldest kept event. */
interface Base {
  readonly chart: string;
  readonly active: readonly string[];
  readonly shown: Shown;
  readonly atMs: number;
  /** null while the source runs. A reader that knew the source before a gap learns from this that the source has ended. */
  readonly ended: Pick<EndEvent, 'atMs' | 'how'> | null;
}

export class EventLog implements EventSink {
  /** Distinguishes this log's event numbers from the numbers of other logs. */
  readonly name: string;
  readonly #limits: EventLogLimits;
  readonly #charts = new Map<string, Chart>();
  readonly #listeners = new Set<() => void>();
  #entries: Entry[] = [];
  #head = 0;
  #bytes = 0;
  #last = 0;
  /** Charts whose `chart` event was dropped, each with the time of that event. */
  readonly #baseCharts = new Map<string, { readonly chart: Chart; readonly atMs: number }>();
  readonly #bases = new Map<string, Base>();

  /** @param name letters and digits; unique among all logs that a reader may find at the same URL */
  constructor(name: string, limits: EventLogLimits = LIVE_LIMITS) {
    this.name = name;
    this.#limits = limits;
  }

  /** Size of the kept events. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** The number of the last event; 0 when there has been no event. */
  get last(): number {
    return this.#last;
  }

  charts(): readonly Chart[] {
    return [...this.#charts.values()];
  }

  chart(id: string): Chart | null {
    return this.#charts.get(id) ?? null;
  }

  addChart(chart: Chart, atMs: number): void {
    if (this.#charts.has(chart.id) || this.#charts.size >= MAX_CHARTS) return;
    this.#charts.set(chart.id, chart);
    this.add({ kind: 'chart', atMs, chart });
  }

  add(event: NewEvent): void {
    this.#last += 1;
    // The number comes first in the JSON. It replaces the number that the event may have from another stream.
    const line = JSON.stringify(Object.assign({ n: 0 }, event, { n: this.#last }));
    this.#entries.push({ n: this.#last, line });
    this.#bytes += Buffer.byteLength(line);
    while (this.length > this.#limits.maxEvents || (this.#bytes > this.#limits.maxBytes && this.length > 1)) this.#drop();
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` after each event. @returns a function that ends these calls */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param lastId the id (`idOf`) of the last event that the reader received; null: start from the beginning */
  cursor(lastId: string | null): Cursor {
    const match = /^([0-9a-z]{1,32})-(\d{1,15})$/.exec(lastId ?? '');
    const next = Number(match?.[2]) + 1;
    const isHere = match?.[1] === this.name && next >= this.#first && next <= this.#last + 1;
    return isHere ? { keyframes: [], next } : { keyframes: this.#keyframes(), next: this.#first };
  }

  idOf(n: number): string {
    return `${this.name}-${n}`;
  }

  /**
   * Reads about `maxBytes` of the next events, at least one event if there is any, and moves the cursor. Returns null when the next event
   * was dropped.
   */
  read(cursor: Cursor, maxBytes: number): readonly Entry[] | null {
    const found: Entry[] = [];
    let bytes = 0;
    const take = (entry: Entry): void => {
      found.push(entry);
      bytes += entry.line.length;
    };
    while (bytes < maxBytes && cursor.keyframes.length > 0) take(cursor.keyframes.shift()!);
    if (this.hasLost(cursor)) return null;
    while (bytes < maxBytes && cursor.next <= this.#last) {
      take(this.#entries[this.#head + cursor.next - this.#first]!);
      cursor.next += 1;
    }
    return found;
  }

  /** Whether the reader's next event was dropped. */
  hasLost(cursor: Cursor): boolean {
    return cursor.next < this.#first;
  }

  /** The number of the oldest kept event; when none is kept, the number of the next event. */
  get #first(): number {
    return this.#last - this.length + 1;
  }

  /**
   * There are never more keyframes than dropped events, so each keyframe can take the number of a dropped event. A keyframe for a chart
   * replaces the event of that chart, a keyframe for a state replaces a state event of the same source, and a keyframe for an end replaces
   * the dropped end.
   */
  #keyframes(): Entry[] {
    const charts = [...this.#baseCharts.values()].map(({ chart, atMs }): NewEvent => ({ kind: 'chart', atMs, chart }));
    const events = [...charts, ...[...this.#bases].flatMap(([source, base]) => keyframesOf(source, base))];
    const before = this.#first - events.length;
    return events.map((event, index) => ({ n: before + index, line: JSON.stringify({ n: before + index, ...event }) }));
  }

  #drop(): void {
    const { line } = this.#entries[this.#head]!;
    this.#head += 1;
    this.#bytes -= Buffer.byteLength(line);
    this.#fold(JSON.parse(line) as VisualizerEvent);
    if (this.#head < COMPACT_AFTER || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** Folds a dropped event into the kept state. */
  #fold(event: VisualizerEvent): void {
    if (event.kind === 'chart') this.#baseCharts.set(event.chart.id, { chart: event.chart, atMs: event.atMs });
    else if (event.kind === 'state') this.#setBase(event.source, event);
    else if (event.kind === 'end' || event.kind === 'step' || event.kind === 'shown') {
      const base = this.#bases.get(event.source);
      if (base === undefined) return;
      this.#bases.set(event.source, changed(base, event));
    }
  }

  #setBase(source: string, { chart, active, shown, atMs }: StateEvent): void {
    this.#bases.delete(source);
    this.#bases.set(source, { chart, active, shown, atMs, ended: null });
    if (this.#bases.size > MAX_SOURCES) this.#bases.delete(this.#leastWanted());
  }

  /** The source to forget first: a source that has ended, otherwise the source whose last `state` event is oldest. */
  #leastWanted(): string {
    for (const [source, { ended }] of this.#bases) if (ended !== null) return source;
    return this.#bases.keys().next().value!;
  }
}

function changed(base: Base, event: EndEvent | StepEvent | ShownEvent): Base {
  const { atMs } = event;
  if (event.kind === 'end') return { ...base, ended: { atMs, how: event.how } };
  const shown = event.shown === undefined ? base.shown : { ...base.shown, ...event.shown };
  // Values that arrive after the end do not change the time of the state.
  if (event.kind === 'shown') return { ...base, shown, atMs: base.ended === null ? atMs : base.atMs };
  return { ...base, active: event.active ?? base.active, shown, atMs, ended: null };
}

function keyframesOf(source: string, { ended, ...base }: Base): readonly NewEvent[] {
  const state: NewEvent = { kind: 'state', source, fresh: false, ...base };
  return ended === null ? [state] : [state, { kind: 'end', source, ...ended }];
}
