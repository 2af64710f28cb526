/**
 * A node that is not sure of its store (protocol.md §10, "404 means absent") asks other members whether they are sure, and fetches the
 * records that it lacks. One round asks each member at most once, and only if the rule (`machines/sureness.ts`) waits for that member.
 * After a failure, this node waits before it asks the member again, as after a failed round of anti-entropy. A sure node asks no one.
 */
import { DeadlineError, within } from '../domain/deadline.ts';
import { InvariantError } from '../domain/errors.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { AntiEntropy } from './anti-entropy.ts';
import type { Replica } from './replica.ts';
import type { Replicas } from './replicas.ts';

/** Maximum number of members asked at the same time. This node may hold a page of records from each of them in memory. */
const MAX_PARALLEL = 4;
/** Maximum time that a node spends asking members before it becomes ready. It asks the remaining members later. Milliseconds. */
export const BEFORE_READY_TIMEOUT_MS = 1_000;
/** Timeout of one round. A comparison of stores that takes longer continues in the next round. Milliseconds. */
const ROUND_TIMEOUT_MS = 600_000;

export interface SureRoundModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly failures: Pick<FailureLog, 'note'>;
  readonly replicas: Pick<Replicas, 'find'>;
  readonly antiEntropy: Pick<AntiEntropy, 'compareWith' | 'takeFrom'>;
  readonly sureness: {
    hasBecomeSure(): boolean;
    waitsFor(): readonly Wallet[];
    noteAskingBegan(): void;
    noteAskingEnded(): void;
  };
  /** Whether this node may compare its store with a peer's store; false while this node is stale. */
  readonly mayCompare: () => boolean;
  /** Called when a round of anti-entropy is complete: this node now has all records of the peer. */
  readonly onCompared: () => void;
}

type Ask = (member: Member, replica: Replica, signal: AbortSignal) => Promise<boolean>;

export class SureRound {
  readonly #modules: SureRoundModules;
  #running = false;

  constructor(modules: SureRoundModules) {
    this.#modules = modules;
  }

  /**
   * Runs a round on a node that is not ready. The node fetches records but sends none. The round delays readiness by at most `BEFORE_READY_TIMEOUT_MS`.
   * @throws the signal's reason, InvariantError
   */
  async beforeReady(others: readonly Member[], signal: AbortSignal): Promise<void> {
    await this.#run(others, BEFORE_READY_TIMEOUT_MS, signal, (...asked) => this.#modules.antiEntropy.takeFrom(...asked));
  }

  /** Runs a round on a ready node, at each sync_tick caused by the interval. @throws the same errors as `beforeReady` */
  async whileReady(others: readonly Member[], signal: AbortSignal): Promise<void> {
    await this.#run(others, ROUND_TIMEOUT_MS, signal, async (...asked) => {
      const said = await this.#modules.antiEntropy.compareWith(...asked);
      if (said) this.#modules.onCompared();
      return said;
    });
  }

  async #run(others: readonly Member[], timeoutMs: number, signal: AbortSignal, ask: Ask): Promise<void> {
    const { clock, sureness, mayCompare } = this.#modules;
    if (this.#running || sureness.hasBecomeSure() || !mayCompare()) return;
    this.#running = true;
    const settled = new AbortController();
    try {
      sureness.noteAskingBegan();
      await within(clock, 'a round of sureness queries', timeoutMs, signal, async (limit) => {
        const left = new Map(others.map((member) => [member.wallet, member]));
        // The answers so far decide which member the rule waits for next.
        const next = (): Member | undefined => {
          const wallet = sureness.waitsFor().find((waitedFor) => left.has(waitedFor));
          const member = wallet === undefined ? undefined : left.get(wallet);
          if (wallet !== undefined) left.delete(wallet);
          return member;
        };
        const either = AbortSignal.any([limit, settled.signal]);
        const worker = async (): Promise<void> => {
          for (let member = next(); member !== undefined && !either.aborted; member = next()) {
            await this.#ask(member, either, ask);
            if (sureness.hasBecomeSure()) settled.abort(new Error('this node is sure'));
          }
        };
        await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL, others.length) }, worker));
      });
    } catch (error) {
      if (signal.aborted || !(error instanceof DeadlineError)) throw error;
    } finally {
      this.#running = false;
      // This also runs after an aborted round, because the time spent on that round also counts as time in which the node asked.
      sureness.noteAskingEnded();
    }
  }

  async #ask(member: Member, signal: AbortSignal, ask: Ask): Promise<void> {
    const replica = this.#modules.replicas.find(member);
    // The member may have left since the round began.
    if (replica === null) return;
    const { rest } = replica.antiEntropy;
    if (!rest.isOver) return;
    try {
      await ask(member, replica, signal);
      rest.noteSuccess();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      if (signal.aborted) return;
      rest.noteFailure();
      this.#modules.failures.note(this.#modules.log, 'a sureness query to a member', error, { peer: member.wallet });
    }
  }
}
