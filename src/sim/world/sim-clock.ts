/** The clock of a process on the timeline. Its time of day may be wrong and may jump; the durations that it measures are always right. */
import type { Clock, TimerId } from '../../domain/ports.ts';
import type { Event, Owner, Timeline } from './timeline.ts';

/** Unix milliseconds at the start of every simulation. */
export const EPOCH_MS = 1_790_000_000_000;

export class SimClock implements Clock {
  readonly #timeline: Timeline;
  readonly #owner: Owner;
  readonly #startedMs: number;
  /** How far the time of day is ahead of the true time. Milliseconds. */
  skewMs = 0;
  /** How many milliseconds the time of day gains per second, and when it began to gain them (simulated milliseconds). */
  drift = { perSecond: 0, sinceMs: 0 };
  /** How late each timer fires, to simulate a slow machine. Milliseconds. */
  lagMs = 0;

  constructor(timeline: Timeline, owner: Owner) {
    this.#timeline = timeline;
    this.#owner = owner;
    this.#startedMs = timeline.nowMs;
  }

  nowMs(): number {
    const { perSecond, sinceMs } = this.drift;
    const gainedMs = perSecond === 0 ? 0 : Math.floor(((this.#timeline.nowMs - sinceMs) / 1_000) * perSecond);
    return EPOCH_MS + Math.floor(this.#timeline.nowMs) + this.skewMs + gainedMs;
  }

  monotonicMs(): number {
    return Math.floor(this.#timeline.nowMs - this.#startedMs);
  }

  setTimeout(callback: () => void, delayMs: number): TimerId {
    return this.#timeline.after(Math.max(1, delayMs) + this.lagMs, this.#owner, callback);
  }

  clearTimeout(timer: TimerId): void {
    if (timer !== null && timer !== undefined) this.#timeline.cancel(timer as Event);
  }
}
