/**
 * Watches an actor and records what its machine does: the events it receives, the edges it takes, its active states, and the values that
 * may be shown. An allow-list decides what is recorded: an event contains only ids and event types from the machine's definition, and the
 * values that `shown` returns. The recorder does not watch the actor's children or what is sent to them.
 *
 * XState ends a machine whose inspector throws. So a recorder that fails stops watching, and adds a note to the log. Otherwise readers
 * would believe that its last record is the current state.
 */
import type { AnyActor, AnyMachineSnapshot, AnyStateMachine, InspectionEvent } from 'xstate';
import type { Chart, EventSink, Shown, ShownScalar, ShownValue } from './wire.ts';

/** Maximum length of a shown string; longer strings are cut. Characters. */
export const MAX_SHOWN_CHARS = 240;
/** Maximum number of rows in a shown table; further rows are left out. */
export const MAX_SHOWN_ROWS = 64;
/** Maximum number of values that a source may show, and of cells in a row. */
export const MAX_SHOWN_VALUES = 64;
/** Replaces the type of an event that the machine does not know. */
const UNKNOWN_EVENT = '(unknown)';
/** Event types that every machine knows. */
const XSTATE_EVENTS = ['xstate.init', 'xstate.stop'];
/** Recorded when the recorder fails. The reason is not recorded. */
const LOST_NOTE = 'The recorder failed and detached itself; the machine keeps running unrecorded.';
const LOST = 'no longer watched';

export interface RecorderOptions {
  /** The actor's name, as readers see it. */
  readonly source: string;
}

export interface RecorderModules {
  readonly nowMs: () => number;
  readonly sink: EventSink;
  /** The chart of the actor's machine. */
  readonly chart: Chart;
  /** Maps a transition of the actor's machine to its edge in the chart. */
  readonly edgeIds: ReadonlyMap<object, string>;
  /** Selects the values of a snapshot that may be shown. Called at every step that changes the machine, so it must be cheap. */
  readonly shown: (snapshot: AnyMachineSnapshot) => Shown;
  /** Called when the recorder fails. The actor continues to run. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Call this before the actor starts. The actor's owner must still handle the actor's errors. @returns a function that stops the recording
 */
export function recordActor(actor: AnyActor, options: RecorderOptions, modules: RecorderModules): () => void {
  const recorder = new Recorder(actor, options, modules);
  const inspection = actor.system.inspect((event) => {
    try {
      recorder.take(event);
    } catch (error) {
      stop();
      recorder.lose();
      modules.onFailure?.(error);
    }
  });
  // XState does not call the inspector when an action throws.
  const subscription = actor.subscribe({ error: () => recorder.end('error'), complete: () => recorder.end('done') });
  const stop = (): void => {
    inspection.unsubscribe();
    subscription.unsubscribe();
  };
  return stop;
}

class Recorder {
  readonly #actor: AnyActor;
  readonly #source: string;
  readonly #modules: RecorderModules;
  readonly #eventTypes: ReadonlySet<string>;
  #snapshot: AnyMachineSnapshot;
  #shown: Shown;
  #ended = false;

  constructor(actor: AnyActor, { source }: RecorderOptions, modules: RecorderModules) {
    const { chart, sink, nowMs, shown } = modules;
    this.#actor = actor;
    this.#source = source;
    this.#modules = modules;
    this.#eventTypes = new Set([...((actor.logic as AnyStateMachine).events as readonly string[]), ...XSTATE_EVENTS]);
    this.#snapshot = actor.getSnapshot() as AnyMachineSnapshot;
    this.#shown = bounded(shown(this.#snapshot));
    const atMs = nowMs();
    sink.addChart(chart, atMs);
    sink.add({ kind: 'state', atMs, source, chart: chart.id, active: idsOf(this.#snapshot), shown: this.#shown, fresh: true });
  }

  take(event: InspectionEvent): void {
    if (event.actorRef !== this.#actor || this.#ended) return;
    if (event.type === '@xstate.microstep') this.#step(event.event.type, event.snapshot as AnyMachineSnapshot, event._transitions);
  }

  end(how: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#modules.sink.add({ kind: 'end', atMs: this.#modules.nowMs(), source: this.#source, how });
  }

  /** Ends the recording with a note that the recorder failed. Does not throw. */
  lose(): void {
    if (this.#ended) return;
    const { sink, nowMs } = this.#modules;
    try {
      sink.add({ kind: 'note', atMs: nowMs(), source: this.#source, level: 'failure', text: LOST_NOTE });
      this.end(LOST);
    } catch {
      // The sink or the clock failed, so nothing can be recorded.
      this.#ended = true;
    }
  }

  #step(type: string, snapshot: AnyMachineSnapshot, transitions: readonly object[]): void {
    if (snapshot.status === 'stopped') { this.end('stopped'); return; }
    const { sink, nowMs, edgeIds } = this.#modules;
    const before = this.#snapshot;
    this.#snapshot = snapshot;
    const moved = snapshot._nodes !== before._nodes;
    const shown = moved || snapshot.context !== before.context ? this.#changes(snapshot) : null;
    sink.add({
      kind: 'step',
      atMs: nowMs(),
      source: this.#source,
      event: this.#eventTypes.has(type) ? type : UNKNOWN_EVENT,
      edges: transitions.map((transition) => edgeIds.get(transition)).filter((id) => id !== undefined),
      ...(moved ? { active: idsOf(snapshot) } : {}),
      ...(shown === null ? {} : { shown }),
    });
  }

  #changes(snapshot: AnyMachineSnapshot): Shown | null {
    const before = this.#shown;
    const after = bounded(this.#modules.shown(snapshot));
    this.#shown = after;
    return changesOf(before, after);
  }
}

function idsOf(snapshot: AnyMachineSnapshot): readonly string[] {
  return (snapshot._nodes as readonly { readonly id: string }[]).map(({ id }) => id);
}

/** The values of `after` that differ from `before`; null when there are none. */
export function changesOf(before: Shown, after: Shown): Shown | null {
  const changed = Object.entries(after).filter(([label, value]) => !isSame(before[label], value));
  return changed.length === 0 ? null : Object.fromEntries(changed);
}

function isSame(one: ShownValue | undefined, other: ShownValue): boolean {
  if (one === other) return true;
  if (one === undefined || one === null || other === null || typeof one !== 'object' || typeof other !== 'object') return false;
  if ('atMs' in one && 'atMs' in other) return one.atMs === other.atMs;
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Cuts strings, tables and the number of values to their limits. */
export function bounded(shown: Shown): Shown {
  return Object.fromEntries(
    few(shown).map(([label, value]): [string, ShownValue] => {
      if (value === null || typeof value !== 'object' || !('rows' in value)) return [label, short(value)];
      const rows = value.rows.slice(0, MAX_SHOWN_ROWS).map((row) => Object.fromEntries(few(row).map(([name, cell]) => [name, short(cell)])));
      return [label, { rows }];
    }),
  );
}

function few<Value>(record: Readonly<Record<string, Value>>): [string, Value][] {
  return Object.entries(record).slice(0, MAX_SHOWN_VALUES);
}

function short(value: ShownScalar): ShownScalar {
  return typeof value === 'string' && value.length > MAX_SHOWN_CHARS ? `${value.slice(0, MAX_SHOWN_CHARS - 1)}…` : value;
}
