/**
 * One timer for many waits that all have the same timeout. The wait that began first reaches its deadline first, so the timer is set only
 * for that wait. `within` (`deadline.ts`) costs a timer, a signal and its listeners, which is too much for waits that occur several times
 * in every request. A wait here costs two links to other waits.
 */
import { LinkedList, type Linked } from './linked-list.ts';
import type { Clock } from './ports.ts';

export abstract class Waiting implements Linked<Waiting> {
  previous: Waiting | null = null;
  next: Waiting | null = null;
  /** Monotonic milliseconds. The queue sets it. */
  deadlineMs = 0;

  /** Called when the deadline is reached, after the queue has removed this wait. */
  abstract onDeadline(): void;
}

export class DeadlineQueue {
  readonly #timeoutMs: number;
  readonly #clock: Pick<Clock, 'monotonicMs' | 'setTimeout' | 'clearTimeout'>;
  /** The wait with the earliest deadline is first. */
  readonly #waiting = new LinkedList<Waiting>();
  /** Null while no timer is set. */
  #timer: { readonly id: unknown } | null = null;

  constructor(options: { readonly timeoutMs: number }, modules: { readonly clock: Pick<Clock, 'monotonicMs' | 'setTimeout' | 'clearTimeout'> }) {
    this.#timeoutMs = options.timeoutMs;
    this.#clock = modules.clock;
  }

  add(waiting: Waiting): void {
    waiting.deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs;
    this.#waiting.add(waiting);
    this.#timer ??= this.#setTimer(this.#timeoutMs);
  }

  /** Removes a wait, but leaves the timer set, because the next wait uses it. */
  remove(waiting: Waiting): void {
    this.#waiting.remove(waiting);
  }

  /** Drops all waits and the timer. After this, `onDeadline` is not called for any of these waits. */
  close(): void {
    for (let waiting = this.#waiting.first; waiting !== null; waiting = this.#waiting.first) this.#waiting.remove(waiting);
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer.id);
    this.#timer = null;
  }

  #setTimer(delayMs: number): { readonly id: unknown } {
    return { id: this.#clock.setTimeout(() => this.#endExpired(), delayMs) };
  }

  #endExpired(): void {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    for (let waiting = this.#waiting.first; waiting !== null; waiting = this.#waiting.first) {
      if (waiting.deadlineMs > nowMs) {
        this.#timer ??= this.#setTimer(waiting.deadlineMs - nowMs);
        return;
      }
      this.#waiting.remove(waiting);
      waiting.onDeadline();
    }
  }
}
