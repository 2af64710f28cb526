/**
 * Requests of one caller that are under way at once (protocol.md §10, Bounds). More wait in the order in which they came, for a bounded
 * time and in a bounded number, and are refused then. A place that is left passes to the one that waits longest: no one overtakes.
 */
import { RefusalError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';

export interface UnderWayLimits {
  /** Requests of a caller that are carried out at once. */
  readonly maxUnderWay: number;
  /** Requests of a caller that wait for that; one more is refused at once. */
  readonly maxWaiting: number;
  /** How long one waits. Milliseconds. */
  readonly waitTimeoutMs: number;
}

interface Caller {
  underWay: number;
  /** Each lets one go on; the one that has waited longest is first. */
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

  /** Callers that have a request under way. */
  get callers(): number {
    return this.#callers.size;
  }

  /** Takes a place where there is one. False: all are taken. */
  enter(caller: string): boolean {
    const known = this.#callers.get(caller);
    if (known === undefined) {
      this.#callers.set(caller, { underWay: 1, waiting: new Set() });
      return true;
    }
    // No one waits while there is a place.
    if (known.underWay >= this.#limits.maxUnderWay) return false;
    known.underWay += 1;
    return true;
  }

  /**
   * After `enter` found no place: resolves with one taken. @param gone aborted when the caller has gone: it waits no longer
   * @throws RefusalError rate_limited; the reason of `gone`
   */
  async wait(caller: string, gone: AbortSignal): Promise<void> {
    const waiting = this.#callers.get(caller)?.waiting;
    const { maxWaiting, waitTimeoutMs } = this.#limits;
    if (waiting === undefined || waiting.size >= maxWaiting) throw tooMany();
    gone.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const goOn = (): void => resolve(undefined);
    // At once: a place must not pass to one that has given up.
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

  /** Gives a place back. */
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
