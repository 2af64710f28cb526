/**
 * How long to wait before something that failed is tried again: twice as long after each failure, up to a limit. The one backoff
 * of the project; each user names its own two limits. The node_tick's is in `machines/early-tick.ts`, which also says what counts
 * as progress; those towards a peer are in `sync/replica.ts`, `sync/retries.ts` and `sync/anti-entropy-state.ts`.
 */

/** Share of a wait that jitter may add, so that those who failed together do not come back together. */
const JITTER_SHARE = 0.25;
/** Doublings after which a wait is at any limit; more would leave the numbers that are exact. */
const MAX_DOUBLINGS = 30;

export interface BackoffLimits {
  /** The wait after the first failure. Milliseconds. */
  readonly firstMs: number;
  /** The longest wait, without its jitter. Milliseconds. */
  readonly lastMs: number;
}

/**
 * @param failures before this wait, not counting the one that it follows: 0 for the first wait
 * @param unit uniform in [0, 1)
 * @returns milliseconds
 */
export function backoffMs({ firstMs, lastMs }: BackoffLimits, failures: number, unit: number): number {
  return withJitter(Math.min(lastMs, firstMs * 2 ** Math.min(failures, MAX_DOUBLINGS)), unit);
}

/** @param unit uniform in [0, 1) */
export function withJitter(waitMs: number, unit: number): number {
  return waitMs * (1 + JITTER_SHARE * unit);
}
