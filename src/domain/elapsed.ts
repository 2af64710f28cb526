/** How much time has passed, also while the machine slept. */
import type { Clock } from './ports.ts';

/**
 * Milliseconds since this was made. A monotonic clock may stand still while the machine is suspended, the other one may be set:
 * of what both say has passed since the last look the more counts. It never goes back; a clock that is set ahead makes what is
 * kept look older than it is, and never younger.
 */
export function elapsedMs(clock: Pick<Clock, 'monotonicMs' | 'nowMs'>): () => number {
  let passedMs = 0;
  let monotonicMs = clock.monotonicMs();
  let unixMs = clock.nowMs();
  return () => {
    const [monotonicNowMs, unixNowMs] = [clock.monotonicMs(), clock.nowMs()];
    passedMs += Math.max(0, monotonicNowMs - monotonicMs, unixNowMs - unixMs);
    monotonicMs = monotonicNowMs;
    unixMs = unixNowMs;
    return passedMs;
  };
}
