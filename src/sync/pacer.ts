/** Lets requests run while long work is in progress. The work awaits the returned `Pause` once per record. */
import type { Clock } from '../domain/ports.ts';

/** Number of records between two readings of the clock. */
const RECORDS_BETWEEN_LOOKS = 16;
/** How long the work runs before it pauses for requests. Milliseconds. */
const TURN_MS = 5;

export interface PacerModules {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Lets waiting requests run. */
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
