/**
 * How long to wait before a retry: the wait doubles after each failure, up to a limit. The whole project uses this backoff; each caller
 * sets its own first and longest wait. `machines/early-tick.ts` contains the backoff of node_tick and defines what counts as progress. The
 * backoffs for peers are in `sync/replica.ts`, `sync/retries.ts` and `sync/anti-entropy-state.ts`.
 */

/** Maximum jitter, as a share of the wait. Jitter spreads the retries of callers that failed at the same time. */
const JITTER_SHARE = 0.25;
/** After this many doublings, every wait has reached its limit. More doublings would exceed the safe integers. */
const MAX_DOUBLINGS = 30;

export interface BackoffLimits {
  /** The wait after the first failure. Milliseconds. */
  readonly firstMs: number;
  /** The maximum wait, without jitter. Milliseconds. */
  readonly lastMs: number;
}

/**
 * @param failures number of failures before the one that causes this wait: 0 for the first wait
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
