/**
 * The last events of all sources, numbered, within a number and within bytes. What is dropped at the old end is not lost
 * altogether: the log keeps the state that it led to, so that a reader who begins late or comes back after a gap gets the
 * charts and the whole state of every source first (keyframes), and then what follows, in one unbroken count.
 */
import type { Chart, EndEvent, EventSink, NewEvent, Shown, ShownEvent, StateEvent, StepEvent, VisualizerEvent } from './wire.ts';

export interface EventLogLimits {
  /** Events kept. */
  readonly maxEvents: number;
  /** Of the kept events as JSON. Bytes. */
  readonly maxBytes: number;
}

/** Of a process that runs on and on: some hours of a quiet node, minutes of a busy one. */
export const LIVE_LIMITS: EventLogLimits = { maxEvents: 20_000, maxBytes: 8 * 1024 * 1024 };
/** Machines known; one more is not taken. */
export const MAX_CHARTS = 64;
/** Sources whose state is kept, also of those that ended; of more, those that ended are forgotten first, then those heard of first. */
export const MAX_SOURCES = 256;
/** Dropped at the old end before the rest is moved up. */
const COMPACT_AFTER = 1_024;

interface Entry {
  readonly n: number;
  readonly line: string;
}

/** Where someone reads. */
export interface Cursor {
  /** Keyframes that come first. */
  readonly keyframes: Entry[];
  next: number;
}

/** A source as it was just before the oldest kept event. */
interface Base {
  readonly chart: string;
  readonly active: readonly string[];
  readonly shown: Shown;
  readonly atMs: number;
  /** null while it runs. Kept, so that a reader who knew the source before a gap is told of its end. */
  readonly ended: Pick<EndEvent, 'atMs' | 'how'> | null;
}

export class EventLog implements EventSink {
  /** Of this log: a number of another log means nothing here. */
  readonly name: string;
  readonly #limits: EventLogLimits;
  readonly #charts = new Map<string, Chart>();
  readonly #listeners = new Set<() => void>();
  #entries: Entry[] = [];
  #head = 0;
  #bytes = 0;
  #last = 0;
  /** Charts whose events are dropped. */
  readonly #baseCharts = new Map<string, { readonly chart: Chart; readonly atMs: number }>();
  readonly #bases = new Map<string, Base>();

  /** @param name of letters and digits; another one for each log that a reader may meet at one address */
  constructor(name: string, limits: EventLogLimits = LIVE_LIMITS) {
    this.name = name;
    this.#limits = limits;
  }

  /** Of the events kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** The number of the last event; 0 when there was none. */
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
    // The number comes first; that of another stream means nothing here.
    const line = JSON.stringify(Object.assign({ n: 0 }, event, { n: this.#last }));
    this.#entries.push({ n: this.#last, line });
    this.#bytes += Buffer.byteLength(line);
    while (this.length > this.#limits.maxEvents || (this.#bytes > this.#limits.maxBytes && this.length > 1)) this.#drop();
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after each event. @returns ends it */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param lastId of the event that someone had last, as `idOf` made it; null: from the beginning */
  cursor(lastId: string | null): Cursor {
    const match = /^([0-9a-z]{1,32})-(\d{1,15})$/.exec(lastId ?? '');
    const next = Number(match?.[2]) + 1;
    const isHere = match?.[1] === this.name && next >= this.#first && next <= this.#last + 1;
    return isHere ? { keyframes: [], next } : { keyframes: this.#keyframes(), next: this.#first };
  }

  idOf(n: number): string {
    return `${this.name}-${n}`;
  }

  /** The next events, about `maxBytes` of them, at least one when there is any; null when the next one is gone. Moves on. */
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

  /** The next event of a reader at this place is dropped. */
  hasLost(cursor: Cursor): boolean {
    return cursor.next < this.#first;
  }

  /** The number of the oldest event kept, or of the next one. */
  get #first(): number {
    return this.#last - this.length + 1;
  }

  /**
   * As many at most as events were dropped, so that there are numbers for them: a chart stands for its own event, a state for one
   * of its source, and the end behind it for the end that was dropped as well.
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

  /** What an event leaves behind. */
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

  /** A source that ended, or else the one heard of first. */
  #leastWanted(): string {
    for (const [source, { ended }] of this.#bases) if (ended !== null) return source;
    return this.#bases.keys().next().value!;
  }
}

function changed(base: Base, event: EndEvent | StepEvent | ShownEvent): Base {
  const { atMs } = event;
  if (event.kind === 'end') return { ...base, ended: { atMs, how: event.how } };
  const shown = event.shown === undefined ? base.shown : { ...base.shown, ...event.shown };
  // Figures that come after the end are no later state.
  if (event.kind === 'shown') return { ...base, shown, atMs: base.ended === null ? atMs : base.atMs };
  return { ...base, active: event.active ?? base.active, shown, atMs, ended: null };
}

function keyframesOf(source: string, { ended, ...base }: Base): readonly NewEvent[] {
  const state: NewEvent = { kind: 'state', source, fresh: false, ...base };
  return ended === null ? [state] : [state, { kind: 'end', source, ...ended }];
}
