/** A clock on which every pause ends immediately. The clock moves forward by the length of the pause. */
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

  /** A timer of 4 s or more is the timeout of a whole call, and never fires. A shorter timer is a pause, and fires immediately. */
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
