/**
 * The received events in the forms that the page shows: the history, the lanes of the timeline, and the number of failures. The lanes
 * forget what the history has forgotten.
 */
import type { VisualizerEvent } from '../../wire.ts';
import { History } from './history.ts';
import { Lanes } from './lanes.ts';
import { setBack } from './model.ts';

/** Events from several sources may be out of order by less than this. A larger step back means that a clock was set back. Milliseconds. */
const CLOCK_STEP_MS = 10_000;

export const isFailure = (event: VisualizerEvent): boolean => event.kind === 'note' && event.level === 'failure';

/** Whether the event may be a repetition. After a gap or a restart, a stream repeats `chart`, `state` and `end` events with their old times. */
const isToldAgain = (event: VisualizerEvent): boolean => event.kind === 'chart' || event.kind === 'end' || (event.kind === 'state' && !event.fresh);

export interface RecordingLimits {
  readonly events?: number;
  readonly lane?: number;
}

export class Recording {
  #history: History;
  #lanes: Lanes;
  #failures = 0;
  #firstPlace: number;

  constructor({ events, lane }: RecordingLimits = {}) {
    this.#history = new History(events);
    this.#lanes = new Lanes(lane);
    this.#firstPlace = this.#history.firstPlace;
  }

  get history(): History {
    return this.#history;
  }

  get lanes(): Lanes {
    return this.#lanes;
  }

  /** Number of failures that were noted since the recording began. */
  get failures(): number {
    return this.#failures;
  }

  append(event: VisualizerEvent): void {
    const before = this.#history.latest;
    const model = this.#history.append(event);
    this.#lanes.take(before, model, event);
    if (isFailure(event)) this.#failures += 1;
    // The timeline does not draw anything that the reader cannot go back to.
    if (this.#history.firstPlace !== this.#firstPlace) {
      this.#firstPlace = this.#history.firstPlace;
      this.#lanes.forget(this.#history.firstMs);
    }
  }

  /** Whether the event's time is so far back that the clock of its source must have been set back. */
  isSetBackBy(event: VisualizerEvent): boolean {
    return !isToldAgain(event) && event.atMs <= this.#history.lastMs - CLOCK_STEP_MS;
  }

  /** Starts a new history at an earlier time, with the latest model. The old history is dropped: its times are now in the future. */
  setBack(atMs: number): void {
    const model = setBack(this.#history.latest, atMs);
    this.#history = new History(undefined, model);
    this.#lanes = new Lanes();
    this.#lanes.begin(model);
    this.#failures = 0;
    this.#firstPlace = this.#history.firstPlace;
  }
}
