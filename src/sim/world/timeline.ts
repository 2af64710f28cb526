/**
 * Virtual time: events in the order of their time, and in the order of their making where the times are equal. After each
 * event everything that follows from it without time passing has come to rest, and the watcher is told.
 */
import { setImmediate } from 'node:timers/promises';

/** Whose event it is: its events wait while it is frozen, and are dropped when it is gone. */
export interface Owner {
  readonly name: string;
  /** Its process has ended: nothing of it happens any more. */
  gone: boolean;
  /** Simulated milliseconds until which its process stands still; 0: it runs. */
  frozenUntilMs: number;
}

export interface Event {
  atMs: number;
  readonly sequence: number;
  readonly owner: Owner | null;
  /** Null once it has happened or was cancelled. */
  run: (() => void) | null;
}

/** Turns of the process's own loop after which no promise of an event is left while an app is at work: an error takes one on its way out of a Router. */
const SERVING_TURNS = 2;

export class Timeline {
  #nowMs = 0;
  #sequence = 0;
  #events = 0;
  /** Whether a request is in an app now. */
  isServing: () => boolean = () => false;
  /** A binary heap by time and sequence. */
  readonly #heap: Event[] = [];

  /** Simulated milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that have happened. */
  get events(): number {
    return this.#events;
  }

  /** @param atMs simulated milliseconds; the past counts as now */
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
   * Lets everything happen up to a time, or until `onEvent` says that it is enough.
   * @param onEvent after each event; true ends the run
   */
  async runUntil(endMs: number, onEvent: (owner: Owner | null) => boolean): Promise<void> {
    await this.settle();
    for (let event = this.#heap[0]; event !== undefined && event.atMs <= endMs; event = this.#heap[0]) {
      this.#pop();
      const { run, owner } = event;
      if (run === null || owner?.gone === true) continue;
      if (owner !== null && owner.frozenUntilMs > event.atMs) {
        // It happens at the thaw, in the order in which it would have happened.
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

  /** Until no promise moves any more without time passing. */
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
