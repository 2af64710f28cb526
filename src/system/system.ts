/** The system's clock and randomness. In a running node, only this file uses Date.now, timers and random bytes. */
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Clock, Random } from '../domain/ports.ts';

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Math.floor(performance.now()),
  setTimeout: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS)),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/** A timer with a longer delay would fire immediately, because delays in Node.js have 32 bits. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  unit: () => randomBytes(4).readUInt32BE() / 2 ** 32,
};

/** Lets the node serve requests between two portions of long work. */
export async function yieldToRequests(): Promise<void> {
  await setImmediate();
}
