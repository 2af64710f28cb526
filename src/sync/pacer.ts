/** Lets requests run during long work. The work awaits the pause once per record. */
import type { Clock } from '../domain/ports.ts';

/** Number of records between two looks at the clock, and milliseconds of work before requests get a turn. */
const RECORDS_BETWEEN_LOOKS = 16;
const TURN_MS = 5;

export interface PacerModules {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Gives requests a turn. */
  readonly yieldNow: () => Promise<void>;
}

export type Pause = () => Promise<void> | undefined;

export function createPacer({ clock, yieldNow }: PacerModules): Pause {
  let count = 0;
  let startedMs = clock.monotonicMs();
  return () => {
    count += 1;
    if (count % RECORDS_BETWEEN_LOOKS !== 0 || clock.monotonicMs() - startedMs < TURN_MS) return undefined;
    return yieldNow().then(() => {
      startedMs = clock.monotonicMs();
    });
  };
}
