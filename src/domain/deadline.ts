/**
 * Functions that wait with a timeout, measured by the injected clock. A timeout is how long something may take. A deadline is the moment
 * at which the timeout is reached. A limit is a bound on size or number.
 */
import { backoffMs } from './backoff.ts';
import { ExpectedError } from './errors.ts';
import type { Clock } from './ports.ts';

export class DeadlineError extends ExpectedError {
  readonly code = 'deadline_passed';
  readonly timeoutMs: number;

  constructor(what: string, timeoutMs: number) {
    super(`${what} took longer than ${timeoutMs} ms`);
    this.name = 'DeadlineError';
    this.timeoutMs = timeoutMs;
  }
}

/** Rejects with the signal's reason when the signal is aborted; otherwise never settles. `release` removes the listener. */
function whenAborted(signal: AbortSignal): { readonly promise: Promise<never>; readonly release: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  promise.catch(() => undefined);
  return { promise, release: () => signal.removeEventListener('abort', onAbort) };
}

/** Resolves after `delayMs`; rejects with the signal's reason if the signal is aborted first. */
export async function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = clock.setTimeout(() => resolve(undefined), delayMs);
  const aborted = signal === undefined ? null : whenAborted(signal);
  try {
    await (aborted === null ? promise : Promise.race([promise, aborted.promise]));
  } finally {
    aborted?.release();
    clock.clearTimeout(timer);
  }
}

/**
 * Runs `work` with a signal that is aborted after `timeoutMs` or when `parent` is aborted. When the signal is aborted, the returned promise
 * rejects immediately, even if `work` ignores the signal.
 * @throws DeadlineError, the parent's reason, or what `work` throws
 */
export async function within<T>(
  clock: Clock,
  what: string,
  timeoutMs: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = (reason: Error): void => {
    // Reject first: `work` may otherwise settle the promise with its own error.
    reject(reason);
    deadline.abort(reason);
  };
  // A listener is used because `AbortSignal.any` takes ten times as long as the rest of this function.
  const onParent = (): void => abort(parent?.reason as Error);
  parent?.throwIfAborted();
  parent?.addEventListener('abort', onParent, { once: true });
  const timer = clock.setTimeout(() => abort(new DeadlineError(what, timeoutMs)), timeoutMs);
  try {
    work(deadline.signal).then(resolve, reject);
    return await promise;
  } finally {
    parent?.removeEventListener('abort', onParent);
    clock.clearTimeout(timer);
  }
}

/**
 * Tries `work` up to `attempts` times, or until the signal is aborted. The pause starts at `pauseMs` and doubles after each attempt.
 * @throws the last failure, or the signal's reason
 */
export async function retry<T>(
  clock: Clock,
  attempts: number,
  pauseMs: number,
  signal: AbortSignal,
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(attempt);
    } catch (error) {
      if (signal.aborted) throw signal.reason as Error;
      if (attempt >= attempts) throw error;
      await sleep(clock, backoffMs({ firstMs: pauseMs, lastMs: Infinity }, attempt - 1, 0), signal);
    }
  }
}
