/** A clock that a test moves by hand. Timers fire in the order of their times, and promises settle between them. */
import type { Clock, TimerId } from '../../src/domain/ports.ts';

interface Timer {
  readonly callback: () => void;
  readonly dueMs: number;
}

export class ManualClock implements Clock {
  readonly #epochMs: number;
  readonly #timers = new Map<number, Timer>();
  #elapsedMs = 0;
  #nextId = 1;

  /** @param epochMs Unix milliseconds at the start */
  constructor(epochMs = 1_790_000_000_000) {
    this.#epochMs = epochMs;
  }

  nowMs(): number {
    return this.#epochMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimeout(callback: () => void, delayMs: number): TimerId {
    const id = this.#nextId++;
    this.#timers.set(id, { callback, dueMs: this.#elapsedMs + Math.max(0, delayMs) });
    return id;
  }

  clearTimeout(timer: TimerId): void {
    this.#timers.delete(timer as number);
  }

  /** Moves the clock forward by `ms`. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].filter(([, timer]) => timer.dueMs <= endMs).sort(([, a], [, b]) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#elapsedMs = next[1].dueMs;
      next[1].callback();
      await settle();
    }
    this.#elapsedMs = endMs;
  }
}

/** Waits for some turns of the event loop, so that chained promises and requests injected into an app settle. */
export async function settle(turns = 2): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
