/**
 * SIGINT, SIGTERM and SIGHUP of a command: the first asks it to stop in order, a second one ends it at once. One Ctrl-C may
 * arrive several times, from the terminal and from npm and the launcher, which both hand it on: copies count as one.
 */
import process from 'node:process';

/** Signals this close to the first are copies of it. Milliseconds. */
const COPIES_WITHIN_MS = 250;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** @param atOnce ends the process; it may run again */
export function onStopSignals(stop: () => void, atOnce: () => void): void {
  let firstMs: number | null = null;
  const take = (): void => {
    const nowMs = performance.now();
    if (firstMs === null) {
      firstMs = nowMs;
      stop();
    } else if (nowMs - firstMs > COPIES_WITHIN_MS) atOnce();
  };
  for (const signal of SIGNALS) process.on(signal, take);
}
