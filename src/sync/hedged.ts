/**
 * Tries several items, each with a head start. The next attempt starts when an attempt fails, or when the latest attempt has not succeeded
 * within its head start. The first success wins and the other attempts are aborted, so one peer that never answers does not delay the
 * result (§9.5).
 */
import type { Clock, TimerId } from '../domain/ports.ts';

export interface HedgeOptions {
  /**
   * Maximum time between the starts of two consecutive attempts, while fewer than `maxParallel` attempts are running. When an attempt
   * fails, the next one starts immediately. Milliseconds.
   */
  readonly headStartMs: number;
  /** Maximum number of attempts at the same time. */
  readonly maxParallel: number;
}

/**
 * @param attempt resolves to null when it fails; an error that it throws ends the whole call
 * @returns the first result that is not null, or null when all failed
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
    // When the signal is aborted, the call has ended. An attempt that fails because of the abort must not start another attempt.
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
    over.abort(new Error('another member answered first'));
  }
}
