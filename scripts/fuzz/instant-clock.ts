/** A clock on which every wait ends immediately. The clock moves forward by the waited time. */
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

  /** Time limits of whole calls are longer than any test, so they never fire. Pauses end immediately. */
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
