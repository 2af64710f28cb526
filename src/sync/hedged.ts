/**
 * Asks several one after another with a head start each: the next begins when one fails, or when the one before has not
 * answered in time. The first that succeeds wins and the rest are aborted, so that one black hole stalls no other (§9.5).
 */
import type { Clock, TimerId } from '../domain/ports.ts';

export interface HedgeOptions {
  /** How long one is waited for before the next is asked too. Milliseconds. */
  readonly headStartMs: number;
  /** Under way at once. */
  readonly maxParallel: number;
}

/**
 * @param attempt gives null when it failed; throws only what ends all of it
 * @returns the first that is not null, or null when all failed
 */
export async function hedged<Item, Result>(
  items: readonly Item[],
  options: HedgeOptions,
  clock: Clock,
  parent: AbortSignal,
  attempt: (item: Item, signal: AbortSignal) => Promise<Result | null>,
): Promise<Result | null> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, parent]);
  const { promise, resolve, reject } = Promise.withResolvers<Result | null>();
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });

  let next = 0;
  let running = 0;
  let timer: TimerId = null;

  const startNext = (): void => {
    if (timer !== null) clock.clearTimeout(timer);
    timer = null;
    // Those that are aborted fail after the end: no one is asked in their place.
    if (signal.aborted) return;
    if (next >= items.length) {
      if (running === 0) resolve(null);
      return;
    }
    if (running >= options.maxParallel) return;
    const item = items[next]!;
    next += 1;
    running += 1;
    timer = clock.setTimeout(startNext, options.headStartMs);
    attempt(item, signal).then((result) => {
      running -= 1;
      if (result === null) startNext();
      else resolve(result);
    }, reject);
  };

  try {
    signal.throwIfAborted();
    startNext();
    return await promise;
  } finally {
    if (timer !== null) clock.clearTimeout(timer);
    over.abort(new Error('another answered first'));
  }
}
