/**
 * Decides which events of a stream are new. After an interruption, a stream may repeat known events. When another process serves the
 * stream, the numbers may start again.
 */
import type { VisualizerEvent } from '../../wire.ts';
import { EVENTS_LIMIT } from './limits.ts';

export class Arrivals {
  readonly #seen = new Set<string>();
  #highest = -1;
  /** The last new event. */
  #last: VisualizerEvent | null = null;

  /** @returns false for an event that has already arrived */
  isNew(event: VisualizerEvent): boolean {
    const key = `${event.n} ${event.atMs} ${event.kind} ${'source' in event ? (event.source ?? '') : ''}`;
    if (event.n <= this.#highest && this.#seen.has(key) && !this.#endsLast(event)) return false;
    this.#last = event;
    this.#seen.add(key);
    this.#highest = Math.max(this.#highest, event.n);
    if (this.#seen.size > EVENTS_LIMIT) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }

  /**
   * Whether the event is the end of a source directly after the state of that source. After a gap, a stream repeats both, and the repeated
   * end may have its old number.
   */
  #endsLast(event: VisualizerEvent): boolean {
    return event.kind === 'end' && this.#last?.kind === 'state' && this.#last.source === event.source && this.#last.n + 1 === event.n;
  }
}
