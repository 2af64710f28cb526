/** How much time has passed, also while the machine slept. */
import type { Clock } from './ports.ts';

/** A clock of the day that leads by less is a matter of rounding, or of a slow correction. Milliseconds. */
const LEAD_MS = 1_000;

/**
 * Milliseconds since this was made. A monotonic clock may stand still while the machine is suspended: where the clock of the day
 * has gone on by more than it, that counts. It never goes back; a clock that is set ahead makes what is kept look older than it
 * is, and none makes it look younger.
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
