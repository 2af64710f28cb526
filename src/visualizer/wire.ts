/**
 * What reaches the page, and what a trace file holds: one JSON object for each event, a line of a file or one server-sent
 * event. Nothing else leaves a recorder: types of events, ids of states and edges, and the values that the machine's owner
 * put on the list of what may be shown. Never payloads, contexts, or an actor's input or output.
 *
 * The forms know nothing of any product: a page that reads them draws every XState 5 machine.
 *
 * A chart is one of `src/chart/chart.ts`. Four words in `meta` say how it is shown, for any machine:
 *
 * - `headline: true` on a compound state: the active child of it is the actor's state in one word (else: the first region).
 * - `span: 'node_tick'` on a compound state: from leaving its initial child until it is back, that is one span of this name
 *   on the timeline, its children the steps; `outcome: 'last tick'` names the shown value that says how it ended. A `state`
 *   event that shows another child than the initial one stands in the middle of a span, which begins there for the reader.
 * - `dropped: 'node_tick'` on an edge: taking it drops a span of this name.
 */
import type { Chart } from '../chart/chart.ts';

export { isWhole } from '../chart/chart.ts';
export type { Chart, ChartEdge, ChartState } from '../chart/chart.ts';

export type ShownScalar = string | number | boolean | null | ShownMoment;

/** A moment in Unix (or simulated) milliseconds: a page says how long ago, or counts down to it. */
export interface ShownMoment {
  readonly atMs: number;
}

/** A value that may be shown, or a small table. */
export type ShownValue = ShownScalar | { readonly rows: readonly Readonly<Record<string, ShownScalar>>[] };

/** By label, in the order in which a page lists them. `reason` is shown beside the headline. */
export type Shown = Readonly<Record<string, ShownValue>>;

interface Numbered {
  /** Rises by one in one stream. The id of the server-sent event is this behind the stream's own name: `k2x9-17`. */
  readonly n: number;
  /** Unix milliseconds; simulated milliseconds in a trace of a simulation. */
  readonly atMs: number;
}

/** A machine is known from here on. */
export interface ChartEvent extends Numbered {
  readonly kind: 'chart';
  readonly chart: Chart;
}

/**
 * The whole state of a source: its actor starts, or a reader joins late, or after a gap. Never given where a stream simply goes
 * on, so for a reader who knows the source it says by itself that events may be missing before it (numbers do not: those after a
 * gap may happen to follow, and a program that passes a stream on numbers it again). All that was known of the source before is void:
 * spans that were open are cut off, also where the state stands in the middle of one, as it is not known whether it is the same.
 * An `end` directly behind it: the source had ended already.
 */
export interface StateEvent extends Numbered {
  readonly kind: 'state';
  /** Who: `node-1`. */
  readonly source: string;
  /** Id of its chart. */
  readonly chart: string;
  /** Ids of all active states. */
  readonly active: readonly string[];
  readonly shown: Shown;
  /** true: the actor starts here. */
  readonly fresh: boolean;
}

/** One microstep: an event met the machine. */
export interface StepEvent extends Numbered {
  readonly kind: 'step';
  readonly source: string;
  /** Type of the event that came from outside, or was raised. */
  readonly event: string;
  /** Ids of the edges taken; none: the event was dropped. */
  readonly edges: readonly string[];
  /** Ids of all active states, where they changed. */
  readonly active?: readonly string[];
  /** The values that changed. */
  readonly shown?: Shown;
}

/** Values of a source changed that its machine does not hold, such as figures about its peers. */
export interface ShownEvent extends Numbered {
  readonly kind: 'shown';
  readonly source: string;
  readonly shown: Shown;
}

/** Work that is not a state of the machine begins, or ends. */
export interface SpanEvent extends Numbered {
  readonly kind: 'span';
  readonly source: string;
  readonly name: string;
  /** One number for the begin and the end of it. */
  readonly span: number;
  /** null: it begins. */
  readonly outcome: string | null;
}

/** The actor is no more: its process ended, or it was stopped. */
export interface EndEvent extends Numbered {
  readonly kind: 'end';
  readonly source: string;
  readonly how: string;
}

/** Something that happened around the machines: a fault, what someone did on purpose, a broken rule. */
export interface NoteEvent extends Numbered {
  readonly kind: 'note';
  /** null: it concerns all. */
  readonly source: string | null;
  /** `failure`: what a reader of a trace jumps to. */
  readonly level: 'info' | 'fault' | 'failure';
  readonly text: string;
}

export type VisualizerEvent = ChartEvent | StateEvent | StepEvent | ShownEvent | SpanEvent | EndEvent | NoteEvent;

/** What a page may have done: `GET /session`. */
export interface PageSession {
  readonly title: string;
  /** `replay`: all events are there, time is the page's. */
  readonly mode: 'live' | 'replay';
  /** Empty but in development. */
  readonly commands: readonly PageCommand[];
  /** Goes back in `x-visualizer-token` with each command; null: no commands. */
  readonly token: string | null;
}

/** One button. `POST /commands` with `{ "command": name, "source"?: …, "peer"?: … }` answers 200 `{}` or 4xx/5xx `{ "error": text }`. */
export interface PageCommand {
  readonly command: string;
  readonly label: string;
  /** What has to be chosen: nothing, a source, or a source and another one. */
  readonly takes: 'nothing' | 'source' | 'pair';
  /** true: the page asks first. */
  readonly breaks: boolean;
}

/** An event that a stream has not numbered yet. */
export type NewEvent = { [Kind in VisualizerEvent['kind']]: Omit<Extract<VisualizerEvent, { kind: Kind }>, 'n'> }[VisualizerEvent['kind']];

/** Takes what recorders say. */
export interface EventSink {
  /** Makes a machine known, unless it is. */
  addChart(chart: Chart, atMs: number): void;
  add(event: NewEvent): void;
}
