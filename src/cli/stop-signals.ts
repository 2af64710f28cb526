/**
 * What asks a command to stop: SIGINT, SIGTERM, SIGHUP, and the end of the launcher that started it. The first asks it to stop in
 * order, a second signal ends it at once. One Ctrl-C may arrive several times, from the terminal and from npm and the launcher,
 * which both hand it on: copies count as one.
 */
import type { EventEmitter } from 'node:events';
import process from 'node:process';

/** Signals this close to the first are copies of it: on a busy machine npm and the launcher take part of a second to hand it on. Milliseconds. */
const COPIES_WITHIN_MS = 1_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Emitted by launch/leash.mjs. */
const LAUNCHER_GONE = 'launcher-gone';

/** @param atOnce ends the process; it may run again */
export function onStopSignals(stop: () => void, atOnce: () => void): void {
  let firstMs: number | null = null;
  const ask = (): void => {
    firstMs = performance.now();
    stop();
  };
  const take = (): void => {
    if (firstMs === null) ask();
    else if (performance.now() - firstMs > COPIES_WITHIN_MS) atOnce();
  };
  for (const signal of SIGNALS) process.on(signal, take);
  // A Ctrl-C that ended the launcher has reached the command, too.
  (process as EventEmitter).on(LAUNCHER_GONE, () => {
    if (firstMs === null) ask();
  });
}
