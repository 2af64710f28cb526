/**
 * Stops a command on SIGINT, SIGTERM, SIGHUP, or when its launcher ends. The first request stops the command in order. A second
 * signal ends it at once. One Ctrl-C may arrive several times, because the terminal sends it and npm and the launcher forward it, so
 * copies count as one signal.
 */
import type { EventEmitter } from 'node:events';
import process from 'node:process';

/** Signals this soon after the first are copies: on a busy machine npm and the launcher take part of a second to forward. Milliseconds. */
const COPIES_WITHIN_MS = 1_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Emitted by launch/leash.mjs. */
const LAUNCHER_GONE = 'launcher-gone';

/** @param atOnce ends the process; it may be called again */
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
  // A Ctrl-C that ended the launcher reaches this command too, and counts once.
  (process as EventEmitter).on(LAUNCHER_GONE, () => {
    if (firstMs === null) ask();
  });
}
