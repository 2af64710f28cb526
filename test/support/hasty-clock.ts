/** The system's clock, except that pauses of less than a second end immediately and are recorded. */
import type { Clock } from '../../src/domain/ports.ts';
import { systemClock } from '../../src/system/system.ts';

const SHORT_MS = 1_000;

export function hastyClock(): { readonly clock: Clock; readonly pausesMs: number[] } {
  const pausesMs: number[] = [];
  const clock: Clock = {
    ...systemClock,
    setTimeout: (callback, delayMs) => {
      if (delayMs >= SHORT_MS) return systemClock.setTimeout(callback, delayMs);
      pausesMs.push(delayMs);
      return systemClock.setTimeout(callback, 0);
    },
  };
  return { clock, pausesMs };
}
