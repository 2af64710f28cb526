/**
 * Pushes this node's own writes to one peer (protocol.md §10, Who sends what and Rejections). The mark moves only after the
 * peer's signed answer; what the peer refuses never blocks what comes after it.
 */
import type { Wallet } from '../domain/ids.ts';
import { PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { OwnWrite } from '../domain/records.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import { judgeDeltaAnswer, planDelta, portions, type DeltaBatch, type DeltaOutcome, type Sent } from './delta-plan.ts';
import { MAX_REJECTIONS_LISTED } from './merge-batch.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';
import type { SyncStore } from './ports.ts';
import { MAX_RETRIES, type Replica } from './replicas.ts';

/** An answer that lists its rejections. Bytes. */
const MAX_ANSWER_BYTES = 4 * SMALL_ANSWER_BYTES + 2 * 1024 * 1024;
/** To a peer of an older kind, records younger than this are sent once more after this. Milliseconds. */
const RESEND_MS = 30_000;

export interface DeltaPushModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: SyncStore;
  readonly conversation: Pick<PeerConversation, 'exchange'>;
  readonly acknowledgements: Acknowledgements;
  /** Own numbers up to here are not sent: the node was cut off for too long to know whether they still hold. */
  readonly sendAbove: () => number;
}

export class DeltaPush {
  readonly #modules: DeltaPushModules;

  constructor(modules: DeltaPushModules) {
    this.#modules = modules;
  }

  /**
   * Sends what the peer does not have, batch after batch, until nothing is left.
   * @returns whether anything was said to the peer
   * @throws PeerError, DependencyError
   */
  async pushTo(member: Member, replica: Replica, signal: AbortSignal): Promise<boolean> {
    const pushed = await this.#pushNew(member, replica, signal);
    return (await this.#pushAgain(member, replica, signal)) || pushed;
  }

  /** Sends records besides the own writes, as a comparison finds them missing. @throws PeerError, DependencyError */
  async send(member: Member, records: readonly Sent[], signal: AbortSignal): Promise<void> {
    let left = records;
    let maxRecords: number | undefined;
    for (let batch = planDelta(left); batch !== null; batch = planDelta(left, maxRecords)) {
      try {
        await this.#exchange(member, batch, signal);
      } catch (error) {
        if (!isBodyTooLarge(batch, error)) throw error;
        if (batch.lines.length > 1) {
          maxRecords = Math.ceil(batch.lines.length / 2);
          continue;
        }
        this.#modules.log.debug('a peer does not take a record of this size', { peer: member.wallet });
      }
      left = left.slice(batch.lines.length);
    }
  }

  async #pushNew(member: Member, replica: Replica, signal: AbortSignal): Promise<boolean> {
    const { store, sendAbove } = this.#modules;
    for (let pushed = false; ; pushed = true) {
      const { epoch } = replica;
      const full = replica.retries.size >= MAX_RETRIES;
      const batch = full ? null : planDelta(store.writesAfter(Math.max(replica.mark, sendAbove())));
      if (batch === null) return pushed;
      await this.#pushBatch(member, replica, batch, signal);
      // The peer lost its store, or this node's was emptied, while it answered.
      if (replica.epoch !== epoch) continue;
      const passed = batch.lines.filter((line) => line.number > replica.mark && !line.isVoid());
      const bytes = passed.reduce((sum, line) => sum + line.bytes, 0);
      replica.advance(batch.lines.at(-1)!.number, { records: passed.length, bytes });
    }
  }

  async #pushBatch(member: Member, replica: Replica, batch: DeltaBatch<OwnWrite>, signal: AbortSignal): Promise<void> {
    let outcome: DeltaOutcome<OwnWrite>;
    try {
      outcome = await this.#exchange(member, batch, signal);
    } catch (error) {
      if (!isBodyTooLarge(batch, error)) throw error;
      if (batch.lines.length > 1) {
        const half = Math.ceil(batch.lines.length / 2);
        for (const portion of portions(batch.lines, half)) await this.#pushBatch(member, replica, planDelta(portion)!, signal);
        return;
      }
      const line = batch.lines[0]!;
      // A peer that closes the connection while the body is being sent may be away, too: it is tried again.
      if (error.status === undefined) replica.retryLater(line.appId, line.record.key, line.number);
      else this.#refuse(member.wallet, replica, line, 'too_large');
      return;
    }
    if (outcome.kind !== 'unlisted') {
      this.#note(member, replica, batch, outcome);
      return;
    }
    const [line] = batch.lines;
    if (batch.lines.length === 1) {
      this.#refuse(member.wallet, replica, line!, 'unlisted');
      return;
    }
    // What is a part of a batch fits where the batch did. A peer may list fewer than this node does.
    const size = batch.lines.length > MAX_REJECTIONS_LISTED ? MAX_REJECTIONS_LISTED : 1;
    for (const portion of portions(batch.lines, size)) await this.#pushBatch(member, replica, planDelta(portion)!, signal);
  }

  async #exchange<Line extends Sent>(member: Member, batch: DeltaBatch<Line>, signal: AbortSignal): Promise<DeltaOutcome<Line>> {
    const message = { type: 'delta', data: batch.data };
    const limits = { timeoutMs: PEER_TIMEOUT_MS.delta, maxAnswerBytes: MAX_ANSWER_BYTES, signal };
    const outcome = judgeDeltaAnswer(batch.lines, await this.#modules.conversation.exchange(member, message, limits));
    if (outcome.kind === 'nonsense') throw new PeerError('bad_answer', 'the answer does not say what became of the records');
    return outcome;
  }

  #note(member: Member, replica: Replica, batch: DeltaBatch<OwnWrite>, outcome: DeltaOutcome<OwnWrite>): void {
    switch (outcome.kind) {
      case 'told':
        for (const line of outcome.taken) this.#acknowledge(member.wallet, replica, line);
        for (const { appId, record, number } of outcome.later) replica.retryLater(appId, record.key, number);
        for (const { line, reason } of outcome.refused) this.#refuse(member.wallet, replica, line, reason);
        return;
      case 'counted':
        if (outcome.allMerged) for (const line of batch.lines) this.#acknowledge(member.wallet, replica, line);
        this.#resendYoung(replica, batch.lines);
        return;
      case 'unlisted':
      case 'nonsense':
        throw new PeerError('bad_answer', 'the peer refuses more than it lists');
    }
  }

  #acknowledge(peer: Wallet, replica: Replica, { appId, record, number }: OwnWrite): void {
    replica.retries.delete(`${appId} ${record.key}`);
    this.#modules.acknowledgements.note(peer, { appId, key: record.key, number });
  }

  #refuse(peer: Wallet, replica: Replica, { appId, record }: OwnWrite, reason: string): void {
    replica.retries.delete(`${appId} ${record.key}`);
    replica.noteRefused(reason);
    this.#modules.log.warn('a peer refuses a record for good', { peer, app_id: appId, why: reason });
  }

  /** A peer that does not say what it refused may have refused a record for its time: it gets the young ones once more. */
  #resendYoung(replica: Replica, lines: readonly OwnWrite[]): void {
    const { clock } = this.#modules;
    const youngest = lines.find(({ record }) => record.updated_at_ms > clock.nowMs() - RESEND_MS);
    if (youngest === undefined || replica.resendAtMs !== null) return;
    replica.resendAtMs = clock.monotonicMs() + RESEND_MS;
    replica.resendFrom = youngest.number - 1;
  }

  /** What was refused for the time being, and what an older peer gets twice. */
  async #pushAgain(member: Member, replica: Replica, signal: AbortSignal): Promise<boolean> {
    const nowMs = this.#modules.clock.monotonicMs();
    const due = [...replica.retries.values()].filter(({ dueAtMs }) => dueAtMs <= nowMs);
    for (let left = this.#asLines(replica, due); left.length > 0; ) {
      const batch = planDelta(left, MAX_REJECTIONS_LISTED)!;
      await this.#pushBatch(member, replica, batch, signal);
      left = left.slice(batch.lines.length);
    }
    if (replica.resendAtMs === null || replica.resendAtMs > nowMs) return due.length > 0;
    replica.resendAtMs = null;
    const again = [...this.#modules.store.writesAfter(replica.resendFrom)].filter(({ number }) => number <= replica.mark);
    await this.send(member, again, signal);
    return due.length + again.length > 0;
  }

  /** As the records are now; what is gone need not be sent. */
  #asLines(replica: Replica, due: readonly { appId: string; key: string; number: number }[]): OwnWrite[] {
    return due.flatMap(({ appId, key, number }) => {
      const record = this.#modules.store.recordOf(appId, key);
      if (record !== null) return [{ appId, number, bytes: 0, record, isVoid: () => true }];
      replica.retries.delete(`${appId} ${key}`);
      return [];
    });
  }
}

/** Older nodes refuse bodies over 2 MiB, some by closing the connection: what is larger must not block what is not. */
function isBodyTooLarge(batch: DeltaBatch<Sent>, error: unknown): error is PeerError {
  return error instanceof PeerError && (error.status === 413 || (batch.oversized && error.failure === 'unreachable'));
}
