/**
 * Which events of a stream are new. A stream that was cut off may begin again with what is known already, or with another
 * numbering when its server is another process.
 */
import type { VisualizerEvent } from '../../wire.ts';
import { EVENTS_LIMIT } from './limits.ts';

export class Arrivals {
  readonly #seen = new Set<string>();
  #highest = -1;
  /** The last that was new. */
  #last: VisualizerEvent | null = null;

  /** @returns false for an event that came before */
  isNew(event: VisualizerEvent): boolean {
    const key = `${event.n} ${event.atMs} ${event.kind} ${'source' in event ? (event.source ?? '') : ''}`;
    if (event.n <= this.#highest && this.#seen.has(key) && !this.#endsLast(event)) return false;
    this.#last = event;
    this.#seen.add(key);
    this.#highest = Math.max(this.#highest, event.n);
    if (this.#seen.size > EVENTS_LIMIT) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }

  /** After a gap an end is told again behind a state of its source, and may have the number that it had at first. */
  #endsLast(event: VisualizerEvent): boolean {
    return event.kind === 'end' && this.#last?.kind === 'state' && this.#last.source === event.source && this.#last.n + 1 === event.n;
  }
}
