/**
 * Limits how many requests of one caller are under way at the same time (protocol.md §10, Bounds). A bounded number of further requests
 * wait for a bounded time; all others are refused. A place that becomes free passes to the request that has waited longest, so that
 * requests keep their order.
 */
import { RefusalError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';

export interface UnderWayLimits {
  /** Maximum number of requests of one caller that are carried out at the same time. */
  readonly maxUnderWay: number;
  /** Maximum number of waiting requests of one caller; a further request is refused immediately. */
  readonly maxWaiting: number;
  /** Maximum time that a request waits. Milliseconds. */
  readonly waitTimeoutMs: number;
}

interface Caller {
  underWay: number;
  /** Each function lets one request continue; the request that has waited longest is first. */
  readonly waiting: Set<() => void>;
}

export class RequestsUnderWay {
  readonly #limits: UnderWayLimits;
  readonly #clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  readonly #callers = new Map<string, Caller>();

  constructor(limits: UnderWayLimits, modules: { readonly clock: Pick<Clock, 'setTimeout' | 'clearTimeout'> }) {
    this.#limits = limits;
    this.#clock = modules.clock;
  }

  /** The number of callers that have a request under way. */
  get callers(): number {
    return this.#callers.size;
  }

  /** Takes a place. @returns false when all are taken */
  enter(caller: string): boolean {
    const known = this.#callers.get(caller);
    if (known === undefined) {
      this.#callers.set(caller, { underWay: 1, waiting: new Set() });
      return true;
    }
    // If a place is free, no request is waiting, because `leave` passes a place to a waiting request.
    if (known.underWay >= this.#limits.maxUnderWay) return false;
    known.underWay += 1;
    return true;
  }

  /**
   * Called after `enter` returned false; resolves when the request gets a place.
   * @param gone aborted when the caller hangs up, which ends the wait
   * @throws RefusalError rate_limited; the abort reason of `gone` if the caller hangs up
   */
  async wait(caller: string, gone: AbortSignal): Promise<void> {
    const waiting = this.#callers.get(caller)?.waiting;
    const { maxWaiting, waitTimeoutMs } = this.#limits;
    if (waiting === undefined || waiting.size >= maxWaiting) throw tooMany();
    gone.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const goOn = (): void => resolve(undefined);
    // The request leaves the queue immediately, because `leave` must not pass a place to a request that has given up.
    const giveUp = (error: Error): void => {
      waiting.delete(goOn);
      reject(error);
    };
    const onGone = (): void => giveUp(gone.reason as Error);
    const timer = this.#clock.setTimeout(() => giveUp(tooMany()), waitTimeoutMs);
    gone.addEventListener('abort', onGone, { once: true });
    waiting.add(goOn);
    try {
      await promise;
    } finally {
      gone.removeEventListener('abort', onGone);
      this.#clock.clearTimeout(timer);
    }
  }

  /** Gives a place back, or passes it to the request that has waited longest. */
  leave(caller: string): void {
    const known = this.#callers.get(caller);
    if (known === undefined) return;
    const [goOn] = known.waiting;
    if (goOn !== undefined) {
      known.waiting.delete(goOn);
      goOn();
      return;
    }
    known.underWay -= 1;
    if (known.underWay === 0) this.#callers.delete(caller);
  }
}

function tooMany(): RefusalError {
  return new RefusalError('rate_limited', 'too many requests of this caller are under way', 1);
}
