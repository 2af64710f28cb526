/**
 * Virtual time. Events run in the order of their times; events with equal times run in the order of their creation. After each event, the
 * timeline waits until all promises that can settle at the same virtual time have settled. Then it calls the watcher.
 */
import { setImmediate } from 'node:timers/promises';

/** The owner of events. While the owner is frozen, its events wait. When the owner is gone, its events are dropped. */
export interface Owner {
  readonly name: string;
  /** Whether the owner's process has ended. If so, its events no longer run. */
  gone: boolean;
  /** When the owner's frozen process continues; 0 if it is not frozen. Simulated milliseconds. */
  frozenUntilMs: number;
}

export interface Event {
  atMs: number;
  readonly sequence: number;
  readonly owner: Owner | null;
  /** Null after the event has run or has been cancelled. */
  run: (() => void) | null;
}

/**
 * How many turns of the event loop the timeline waits after an event while an app is working on a request. Express's router uses a turn to
 * pass on an error.
 */
const SERVING_TURNS = 2;

export class Timeline {
  #nowMs = 0;
  #sequence = 0;
  #events = 0;
  /** Whether an app is working on a request. */
  isServing: () => boolean = () => false;
  /** A binary heap, ordered by time and sequence. */
  readonly #heap: Event[] = [];

  /** Simulated milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Number of events that have run. */
  get events(): number {
    return this.#events;
  }

  /** @param atMs simulated milliseconds; a time in the past means now */
  at(atMs: number, owner: Owner | null, run: () => void): Event {
    this.#sequence += 1;
    const event: Event = { atMs: Math.max(atMs, this.#nowMs), sequence: this.#sequence, owner, run };
    this.#push(event);
    return event;
  }

  after(delayMs: number, owner: Owner | null, run: () => void): Event {
    return this.at(this.#nowMs + Math.max(0, delayMs), owner, run);
  }

  cancel(event: Event): void {
    event.run = null;
  }

  /**
   * Runs all events up to a time.
   * @param onEvent called after each event; returns true to end the run
   */
  async runUntil(endMs: number, onEvent: (owner: Owner | null) => boolean): Promise<void> {
    await this.settle();
    for (let event = this.#heap[0]; event !== undefined && event.atMs <= endMs; event = this.#heap[0]) {
      this.#pop();
      const { run, owner } = event;
      if (run === null || owner?.gone === true) continue;
      if (owner !== null && owner.frozenUntilMs > event.atMs) {
        // When the freeze ends, the owner's events run in their original order.
        event.atMs = owner.frozenUntilMs;
        this.#push(event);
        continue;
      }
      this.#nowMs = event.atMs;
      this.#events += 1;
      event.run = null;
      run();
      await this.settle();
      if (onEvent(owner)) return;
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** Waits until all promises that can settle at the current virtual time have settled. */
  async settle(): Promise<void> {
    await setImmediate();
    for (let turn = 1; turn < SERVING_TURNS && this.isServing(); turn += 1) await setImmediate();
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs === b.atMs ? a.sequence < b.sequence : a.atMs < b.atMs;
}
