/**
 * The kept events, with the model after each of them. The number of kept events is limited: the oldest events are folded into the model
 * with which the history begins.
 *
 * A place is a count: how many events have arrived up to a moment. The model at place 3 contains the first three events.
 */
import type { VisualizerEvent } from '../../wire.ts';
import { EVENTS_LIMIT, KEYFRAME_EVERY } from './limits.ts';
import { EMPTY_MODEL, fold, type Model } from './model.ts';

export class History {
  readonly #limit: number;
  #events: VisualizerEvent[] = [];
  /** The time at each event. These times never decrease, even if a clock is set back. */
  #times: number[] = [];
  /** The model before the first kept event, and the model after every KEYFRAME_EVERY events. */
  #keyframes: Model[];
  #latest: Model;

  /**
   * @param limit number of events to keep, rounded down to a multiple of KEYFRAME_EVERY
   * @param base the model before the first event
   */
  constructor(limit = EVENTS_LIMIT, base = EMPTY_MODEL) {
    this.#keyframes = [base];
    this.#latest = base;
    this.#limit = Math.max(1, Math.floor(limit / KEYFRAME_EVERY)) * KEYFRAME_EVERY;
  }

  get latest(): Model {
    return this.#latest;
  }

  /** The place before the first kept event. */
  get firstPlace(): number {
    return this.#keyframes[0]!.place;
  }

  get lastPlace(): number {
    return this.#latest.place;
  }

  get size(): number {
    return this.#events.length;
  }

  get firstMs(): number {
    return this.#times[0] ?? 0;
  }

  get lastMs(): number {
    return this.#times.at(-1) ?? 0;
  }

  /** @returns the model after the event */
  append(event: VisualizerEvent): Model {
    this.#latest = fold(this.#latest, event);
    this.#events.push(event);
    this.#times.push(this.#latest.atMs);
    if (this.#events.length % KEYFRAME_EVERY === 0) this.#keyframes.push(this.#latest);
    if (this.#events.length >= this.#limit + KEYFRAME_EVERY) this.#drop();
    return this.#latest;
  }

  /** The event that leads to this place; undefined when that event is no longer kept. */
  eventAt(place: number): VisualizerEvent | undefined {
    return this.#events[place - this.firstPlace - 1];
  }

  timeAt(place: number): number {
    return this.#times[place - this.firstPlace - 1] ?? this.firstMs;
  }

  /** The last place at or before a time. */
  placeAt(atMs: number): number {
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle]! <= atMs) low = middle + 1;
      else high = middle;
    }
    return this.firstPlace + low;
  }

  /** The model at a place, or at the nearest kept place. */
  modelAt(place: number): Model {
    if (place >= this.lastPlace) return this.#latest;
    const index = Math.max(0, place - this.firstPlace);
    const frame = Math.floor(index / KEYFRAME_EVERY);
    let model = this.#keyframes[frame]!;
    for (let at = frame * KEYFRAME_EVERY; at < index; at++) model = fold(model, this.#events[at]!);
    return model;
  }

  /** At most `limit` places whose events pass the test, from `upTo` backwards. */
  latestPlaces(upTo: number, limit: number, test: (event: VisualizerEvent) => boolean): number[] {
    const places: number[] = [];
    for (let index = Math.min(this.#events.length, upTo - this.firstPlace) - 1; index >= 0 && places.length < limit; index--) {
      if (test(this.#events[index]!)) places.push(index + this.firstPlace + 1);
    }
    return places;
  }

  /** The next place in a direction whose event passes the test; null when there is none. */
  find(from: number, direction: 1 | -1, test: (event: VisualizerEvent) => boolean): number | null {
    for (let place = from + direction; place > this.firstPlace && place <= this.lastPlace; place += direction) {
      if (test(this.eventAt(place)!)) return place;
    }
    return null;
  }

  #drop(): void {
    this.#events.splice(0, KEYFRAME_EVERY);
    this.#times.splice(0, KEYFRAME_EVERY);
    this.#keyframes.shift();
  }
}
