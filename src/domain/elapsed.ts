/** How much time has passed, including time in which the machine slept. */
import type { Clock } from './ports.ts';

/**
 * If the wall clock gains or loses no more than this against the monotonic clock, the difference is ignored, because it may come from
 * rounding or a slow correction. Milliseconds.
 */
const LEAD_MS = 1_000;

/**
 * Returns a function that gives the milliseconds since `elapsedMs` was called. A monotonic clock may stop while the machine is suspended.
 * So if the wall clock has moved further than the monotonic clock, the difference is added. The result never decreases. If someone sets
 * the wall clock forward, cached data looks older than it is, but no change of the clock makes data look younger.
 */
export function elapsedMs(clock: Pick<Clock, 'monotonicMs' | 'nowMs'>): () => number {
  const startedMs = clock.monotonicMs();
  let offsetMs = clock.nowMs() - startedMs;
  let sleptMs = 0;
  return () => {
    const monotonicMs = clock.monotonicMs();
    const leadMs = clock.nowMs() - monotonicMs - offsetMs;
    if (Math.abs(leadMs) > LEAD_MS) {
      offsetMs += leadMs;
      sleptMs += Math.max(0, leadMs);
    }
    return monotonicMs - startedMs + sleptMs;
  };
}
