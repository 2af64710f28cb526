/**
 * What a boundary does with a failure (docs/decisions/0021): it logs the failure once, and counts it if it is a broken assumption. The
 * boundaries are a call to the chain RPC, a call to the enclave API, a step of node_tick, a request, a lane to a peer, a checkpoint of the
 * audit log, the machine and the process. The same failure at the same place is logged at most once a minute, with the number of
 * repetitions since the last line.
 */
import { failureFacts, failureLogFacts, type FailureFacts } from './failure-facts.ts';
import type { Clock, Log, LogFacts } from './ports.ts';

/** Broken assumptions since the start, for `/status`. */
export interface Faults {
  readonly count: number;
  readonly last: {
    /** Unix milliseconds. */
    readonly atMs: number;
    /** The boundary, such as `the step readChain`. */
    readonly where: string;
    /** The class of the error. */
    readonly code: string;
  } | null;
}

/** The same failure is not logged again within this time. Milliseconds. */
const QUIET_MS = 60_000;
/** Maximum number of remembered failures. When there are more, the failure that was logged longest ago is forgotten. */
const MAX_REMEMBERED = 256;

export interface FailureLogModules {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  /** Called for each broken assumption that is counted. @param where as in `note` */
  readonly onFault?: ((where: string) => void) | undefined;
}

interface Logged {
  readonly atMs: number;
  repeated: number;
}

export class FailureLog {
  readonly #modules: FailureLogModules;
  /** The remembered failures; the one that was logged longest ago is first. */
  readonly #logged = new Map<string, Logged>();
  readonly #seen = new WeakSet();
  #faults: Faults = { count: 0, last: null };

  constructor(modules: FailureLogModules) {
    this.#modules = modules;
  }

  faults(): Faults {
    return this.#faults;
  }

  /**
   * An expected failure is logged by every boundary that it reaches. A broken assumption is logged and counted only by the first one.
   * @param where the boundary in fixed words, as the start of a sentence: `the step readChain`
   * @param more facts that the boundary adds; they must not contain text that came from outside
   */
  note(log: Log, where: string, error: unknown, more: LogFacts = {}): FailureFacts {
    const facts = failureFacts(error);
    if (!facts.isExpected) {
      if (this.#wasSeen(error)) return facts;
      this.#faults = { count: this.#faults.count + 1, last: { atMs: this.#modules.clock.nowMs(), where, code: facts.code } };
      this.#modules.onFault?.(where);
    }
    const repeated = this.#repeatedSince(`${where} ${JSON.stringify(more)} ${facts.code} ${facts.call} ${facts.endpoint} ${facts.cause} ${facts.frames[0]}`);
    if (repeated === null) return facts;
    const told = { ...more, ...failureLogFacts(facts), ...(repeated === 0 ? {} : { repeated }) };
    if (facts.isExpected) log.warn(`${where} failed`, told);
    else log.error(`${where} failed: an assumption is broken`, told);
    return facts;
  }

  #wasSeen(error: unknown): boolean {
    if (typeof error !== 'object' || error === null) return false;
    const isKnown = this.#seen.has(error);
    this.#seen.add(error);
    return isKnown;
  }

  /** How many times the failure has been repeated since its last line; null if that line is less than a minute old. */
  #repeatedSince(key: string): number | null {
    const nowMs = this.#modules.clock.monotonicMs();
    const before = this.#logged.get(key);
    if (before !== undefined && nowMs - before.atMs < QUIET_MS) {
      before.repeated += 1;
      return null;
    }
    this.#logged.delete(key);
    this.#logged.set(key, { atMs: nowMs, repeated: 0 });
    if (this.#logged.size > MAX_REMEMBERED) this.#logged.delete(this.#logged.keys().next().value!);
    return before?.repeated ?? 0;
  }
}
