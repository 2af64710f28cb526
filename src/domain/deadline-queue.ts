/**
 * Waits that all have the same timeout, on one timer: the first to begin is the first to reach its deadline, so the timer is set for
 * that one alone. A wait costs an entry in a map, where `within` costs a timer, a signal and its listeners; for what is waited for
 * several times in every request.
 */
import type { Clock } from './ports.ts';

export interface Waiting {
  /** Its time is over; it waits no longer. */
  onDeadline(): void;
}

export class DeadlineQueue {
  readonly #timeoutMs: number;
  readonly #clock: Pick<Clock, 'monotonicMs' | 'setTimeout' | 'clearTimeout'>;
  /** With their deadlines (monotonic milliseconds), earliest first. */
  readonly #waiting = new Map<Waiting, number>();
  /** Null: none is set. */
  #timer: { readonly id: unknown } | null = null;

  constructor(options: { readonly timeoutMs: number }, modules: { readonly clock: Pick<Clock, 'monotonicMs' | 'setTimeout' | 'clearTimeout'> }) {
    this.#timeoutMs = options.timeoutMs;
    this.#clock = modules.clock;
  }

  add(waiting: Waiting): void {
    this.#waiting.set(waiting, this.#clock.monotonicMs() + this.#timeoutMs);
    this.#timer ??= this.#setTimer(this.#timeoutMs);
  }

  /** The timer stays: the next wait finds it set. */
  remove(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  /** No wait ends by its deadline any more. */
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
