/** A clock on which every wait is over at once: what is waited for is counted as passed. */
import type { Clock } from '../../src/domain/ports.ts';

export class InstantClock implements Clock {
  readonly #startMs = 1_790_000_000_000;
  #passedMs = 0;

  nowMs(): number {
    return this.#startMs + this.#passedMs;
  }

  monotonicMs(): number {
    return this.#passedMs;
  }

  /** Limits of whole calls lie behind everything that the tests do, so that they never come; pauses come at once. */
  setTimeout(callback: () => void, delayMs: number): unknown {
    if (delayMs >= 4_000) return null;
    return setImmediate(() => {
      this.#passedMs += delayMs;
      callback();
    });
  }

  clearTimeout(timer: unknown): void {
    if (timer !== null) clearImmediate(timer as NodeJS.Immediate);
  }
}
