/**
 * When the next node_tick comes (protocol.md §10, Early ticks): a tick that ended short of ready brings it forward, with
 * exponential backoff from one second to the regular beat. Progress starts the backoff anew.
 */
import { EARLY_TICK_FLOOR_MS } from './limits.ts';

/** Share of a delay that jitter may add, so that nodes which failed together do not come back together. */
const JITTER_SHARE = 0.25;

export interface Backoff {
  /** Early ticks in a row without progress. */
  readonly attempt: number;
  /** What the last tick got to; another text is progress. */
  readonly progress: string;
}

export const NO_BACKOFF: Backoff = { attempt: 0, progress: '' };

/** The backoff after a tick that got as far as `progress`. */
export function nextBackoff(previous: Backoff, progress: string): Backoff {
  return previous.progress === progress ? { attempt: previous.attempt + 1, progress } : { attempt: 0, progress };
}

/**
 * Milliseconds until an early tick, between EARLY_TICK_FLOOR_MS and `beatMs`.
 * @param unit uniform in [0, 1)
 */
export function earlyTickDelayMs(backoff: Backoff, beatMs: number, unit: number): number {
  const base = EARLY_TICK_FLOOR_MS * 2 ** Math.min(backoff.attempt, 30);
  return Math.round(Math.min(beatMs, base * (1 + JITTER_SHARE * unit)));
}
