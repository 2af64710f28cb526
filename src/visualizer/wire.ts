/**
 * The events that the page receives and that a trace file contains. Each event is one JSON object: a line of a file, or one server-sent
 * event. A recorder reveals only event types, ids of states and edges, and the values that the machine's owner allows. It never reveals
 * payloads, contexts, or the input or output of an actor.
 *
 * The events do not depend on this product: a page that reads them can draw any XState 5 machine.
 *
 * Charts have the form of `src/chart/chart.ts`. Four words in `meta` define how a machine is shown:
 *
 * - `headline: true` on a compound state: its active child is shown as the state of the whole actor (default: the first region).
 * - `span: 'node_tick'` on a compound state: the time from leaving its initial child until returning to it is one span of this name on the
 *   timeline, and its children are the steps. `outcome: 'last tick'` names the shown value that tells how the span ended. When a
 *   `state` event shows a child other than the initial child, the span is already running, and the timeline begins it at that event.
 * - `dropped: 'node_tick'` on an edge: a step through this edge means that a span of this name was dropped.
 */
import type { Chart } from '../chart/chart.ts';

export { isWhole } from '../chart/chart.ts';
export type { Chart, ChartEdge, ChartState } from '../chart/chart.ts';

export type ShownScalar = string | number | boolean | null | ShownMoment;

/** A moment in Unix (or simulated) milliseconds. A page shows the age of this moment, or counts down to it. */
export interface ShownMoment {
  readonly atMs: number;
}

/** A shown value, or a small table. */
export type ShownValue = ShownScalar | { readonly rows: readonly Readonly<Record<string, ShownScalar>>[] };

/** Shown values by label, in the order in which the page shows them. `reason` is shown next to the headline. */
export type Shown = Readonly<Record<string, ShownValue>>;

interface Numbered {
  /** Increases by one with each event of a stream. The id of the server-sent event is the stream's name and this number: `k2x9-17`. */
  readonly n: number;
  /** Unix milliseconds; simulated milliseconds in a trace of a simulation. */
  readonly atMs: number;
}

/** Announces a machine and its chart. */
export interface ChartEvent extends Numbered {
  readonly kind: 'chart';
  readonly chart: Chart;
}

/**
 * The whole state of a source. It is sent only when the actor starts, and when a reader joins late or returns after a gap. So if a reader
 * already knows the source, this event means that earlier events may be missing. Event numbers cannot show this: the numbers after a gap
 * may happen to continue without a break, and a program that forwards a stream renumbers its events.
 *
 * This event replaces everything that was known about the source. It also cuts off all open spans. If the source is inside a span now, that
 * span may have begun during the gap. An `end` directly after this event means that the source had already ended.
 */
export interface StateEvent extends Numbered {
  readonly kind: 'state';
  /** The source's name: `node-1`. */
  readonly source: string;
  /** Id of the source's chart. */
  readonly chart: string;
  /** Ids of all active states. */
  readonly active: readonly string[];
  readonly shown: Shown;
  /** true: the actor has just started. */
  readonly fresh: boolean;
}

/** One microstep: the machine received an event. */
export interface StepEvent extends Numbered {
  readonly kind: 'step';
  readonly source: string;
  /** Type of the event. Either the event came from outside, or the machine raised it. */
  readonly event: string;
  /** Ids of the edges taken; empty: the event was dropped. */
  readonly edges: readonly string[];
  /** Ids of all active states. Absent if they did not change. */
  readonly active?: readonly string[];
  /** The shown values that changed. Absent if none did. */
  readonly shown?: Shown;
}

/** Changed values that belong to a source but not to its machine, such as figures about its peers. */
export interface ShownEvent extends Numbered {
  readonly kind: 'shown';
  readonly source: string;
  readonly shown: Shown;
}

/** The beginning or the end of work that is not a state of the machine. */
export interface SpanEvent extends Numbered {
  readonly kind: 'span';
  readonly source: string;
  readonly name: string;
  /** The number is the same at the beginning and at the end of a span. */
  readonly span: number;
  /** null: the span begins. */
  readonly outcome: string | null;
}

/** The actor was stopped, or its process ended. */
export interface EndEvent extends Numbered {
  readonly kind: 'end';
  readonly source: string;
  readonly how: string;
}

/** Something outside the machines: a fault, a deliberate action, or a broken rule. */
export interface NoteEvent extends Numbered {
  readonly kind: 'note';
  /** null: the note concerns all sources. */
  readonly source: string | null;
  /** A reader of a trace can jump to each `failure`. */
  readonly level: 'info' | 'fault' | 'failure';
  readonly text: string;
}

export type VisualizerEvent = ChartEvent | StateEvent | StepEvent | ShownEvent | SpanEvent | EndEvent | NoteEvent;

/** The page's title, mode and commands: `GET /session`. */
export interface PageSession {
  readonly title: string;
  /** `replay`: all events have already arrived, and the page controls the time. */
  readonly mode: 'live' | 'replay';
  /** Empty outside development. */
  readonly commands: readonly PageCommand[];
  /** Sent as `x-visualizer-token` with each command; null: no commands. */
  readonly token: string | null;
}

/** One button. `POST /commands` with `{ "command": name, "source"?: …, "peer"?: … }` returns 200 `{}` or 4xx/5xx `{ "error": text }`. */
export interface PageCommand {
  readonly command: string;
  readonly label: string;
  /** What the user must choose: nothing, one source, or two sources. */
  readonly takes: 'nothing' | 'source' | 'pair';
  /** true: the page asks for confirmation. */
  readonly breaks: boolean;
}

/** An event without its number in the stream. */
export type NewEvent = { [Kind in VisualizerEvent['kind']]: Omit<Extract<VisualizerEvent, { kind: Kind }>, 'n'> }[VisualizerEvent['kind']];

/** Receives the events of recorders. */
export interface EventSink {
  /** Announces a machine, unless its chart is already known. */
  addChart(chart: Chart, atMs: number): void;
  add(event: NewEvent): void;
}
