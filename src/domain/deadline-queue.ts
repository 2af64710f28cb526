/**
 * One timer for many waits that all have the same timeout. The wait that began first reaches its deadline first, so the timer is set only
 * for that wait. `within` (`deadline.ts`) costs a timer, a signal and its listeners, which is too much for waits that occur several times
 * in every request. A wait here costs one map entry.
 */
import type { Clock } from './ports.ts';

export interface Waiting {
  /** Called when the deadline is reached, after the queue has removed this wait. */
  onDeadline(): void;
}

export class DeadlineQueue {
  readonly #timeoutMs: number;
  readonly #clock: Pick<Clock, 'monotonicMs' | 'setTimeout' | 'clearTimeout'>;
  /** Waits with their deadlines (monotonic milliseconds), earliest first. */
  readonly #waiting = new Map<Waiting, number>();
  /** Null while no timer is set. */
  #timer: { readonly id: unknown } | null = null;

  constructor(options: { readonly timeoutMs: number }, modules: { readonly clock: Pick<Clock, 'monotonicMs' | 'setTimeout' | 'clearTimeout'> }) {
    this.#timeoutMs = options.timeoutMs;
    this.#clock = modules.clock;
  }

  add(waiting: Waiting): void {
    this.#waiting.set(waiting, this.#clock.monotonicMs() + this.#timeoutMs);
    this.#timer ??= this.#setTimer(this.#timeoutMs);
  }

  /** Removes a wait, but leaves the timer set, because the next wait uses it. */
  remove(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  /** Drops all waits and the timer. After this, `onDeadline` is not called for any of these waits. */
  close(): void {
    this.#waiting.clear();
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer.id);
    this.#timer = null;
  }

  #setTimer(delayMs: number): { readonly id: unknown } {
    return { id: this.#clock.setTimeout(() => this.#endExpired(), delayMs) };
  }

  #endExpired(): void {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    for (const [waiting, deadlineMs] of this.#waiting) {
      if (deadlineMs > nowMs) {
        this.#timer ??= this.#setTimer(deadlineMs - nowMs);
        return;
      }
      this.#waiting.delete(waiting);
      waiting.onDeadline();
    }
  }
}
