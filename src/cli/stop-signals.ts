/**
 * Stops a command on SIGINT, SIGTERM, SIGHUP, or when its launcher ends. The first of these events stops the command gracefully. A second
 * signal ends it immediately. One Ctrl-C may arrive several times, because the terminal sends it, and npm and the launcher forward it.
 * These copies are treated as one signal.
 */
import type { EventEmitter } from 'node:events';
import process from 'node:process';

/**
 * Signals that follow the first within this time are copies: on a busy machine, npm and the launcher may take part of a second to forward a
 * signal. Milliseconds.
 */
const COPIES_WITHIN_MS = 1_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** The event that launch/leash.mjs emits. */
const LAUNCHER_GONE = 'launcher-gone';

/** @param atOnce ends the process immediately; may be called more than once */
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
  // A Ctrl-C that ended the launcher also reaches this command as a signal. That signal and this event count as one.
  (process as EventEmitter).on(LAUNCHER_GONE, () => {
    if (firstMs === null) ask();
  });
}
