/**
 * All that came in, in the forms that the page shows: the events with their models, the lanes of the timeline, and how many
 * failures were noted. One of them forgets nothing that another still shows.
 */
import type { VisualizerEvent } from '../../wire.ts';
import { History } from './history.ts';
import { Lanes } from './lanes.ts';
import { setBack } from './model.ts';

/** Events of several sources are out of step by less than this; more, and the clock was set. */
const CLOCK_STEP_MS = 10_000;

export const isFailure = (event: VisualizerEvent): boolean => event.kind === 'note' && event.level === 'failure';

/** After a gap, or from the beginning, what is known is told again with the times that it had. */
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

  /** Noted since it began. */
  get failures(): number {
    return this.#failures;
  }

  append(event: VisualizerEvent): void {
    const before = this.#history.latest;
    const model = this.#history.append(event);
    this.#lanes.take(before, model, event);
    if (isFailure(event)) this.#failures += 1;
    // What cannot be gone back to is not drawn either.
    if (this.#history.firstPlace !== this.#firstPlace) {
      this.#firstPlace = this.#history.firstPlace;
      this.#lanes.forget(this.#history.firstMs);
    }
  }

  /** The event's time lies so far back that the clock of its source was set. */
  isSetBackBy(event: VisualizerEvent): boolean {
    return !isToldAgain(event) && event.atMs <= this.#history.lastMs - CLOCK_STEP_MS;
  }

  /** Begins again at an earlier time with what is known: no moment of before can be shown by its time any more. */
  setBack(atMs: number): void {
    const model = setBack(this.#history.latest, atMs);
    this.#history = new History(undefined, model);
    this.#lanes = new Lanes();
    this.#lanes.begin(model);
    this.#failures = 0;
    this.#firstPlace = this.#history.firstPlace;
  }
}
