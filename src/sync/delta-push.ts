/**
 * Sends pushes to one peer (protocol.md §10, Who sends what and Rejections). `push-plan.ts` decides what is sent and what an answer
 * means, `delivery.ts` decides which batches are made smaller, and `replica.ts` decides when a failed push is tried again.
 */
import { PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Meter } from '../domain/meter.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import { judgeDeltaAnswer, type DeltaBatch, type DeltaOutcome, type Sent } from './delta-plan.ts';
import { Delivery } from './delivery.ts';
import type { PeerConversation } from './peer-conversation.ts';
import { PeerError } from './peer-error.ts';
import type { SyncStore } from './ports.ts';
import { PushPlan, type PushEvent } from './push-plan.ts';
import type { Replica } from './replica.ts';

/** Maximum length of an answer, including its list of rejections. Bytes. */
const MAX_ANSWER_BYTES = 4 * SMALL_ANSWER_BYTES + 2 * 1024 * 1024;

export interface DeltaPushModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: SyncStore;
  readonly conversation: Pick<PeerConversation, 'exchange'>;
  readonly acknowledgements: Acknowledgements;
  /** Writes up to this sequence number are not sent, because other nodes may have deleted them; 0 unless this node is stale. */
  readonly sendAbove: () => number;
  readonly meter?: Pick<Meter, 'recordPushed'> | undefined;
}

/** The result of sending a batch. */
type Reply<Entry extends Sent> = { readonly outcome: DeltaOutcome<Entry> } | { readonly failure: PeerError };

export class DeltaPush {
  readonly #modules: DeltaPushModules;

  constructor(modules: DeltaPushModules) {
    this.#modules = modules;
  }

  /**
   * Sends this node's writes that the peer lacks, batch by batch, until none is left.
   * @returns whether anything was sent to the peer
   * @throws PeerError, DependencyError
   */
  async pushTo(member: Member, { progress }: Replica, signal: AbortSignal): Promise<boolean> {
    const { clock, store, sendAbove } = this.#modules;
    const now = () => ({ unixMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });
    const plan = new PushPlan({ progress, store, sendAbove, now });
    for (let batch = plan.next(); batch !== null; batch = plan.next()) {
      const reply = await this.#send(member, batch, signal);
      const events = 'outcome' in reply ? plan.answered(reply.outcome) : plan.failed(reply.failure);
      this.#tell(member, events);
    }
    if (plan.state.kind === 'broken') throw plan.state.failure;
    return plan.succeeded;
  }

  /**
   * Sends records that anti-entropy found missing at the peer. They may be writes of any node, so the acknowledged sequence does not
   * change.
   * @returns the records that the peer refuses permanently
   * @throws PeerError, DependencyError
   */
  async send(member: Member, records: readonly Sent[], signal: AbortSignal): Promise<readonly Sent[]> {
    const unwanted: Sent[] = [];
    const delivery = new Delivery(records);
    for (let batch = delivery.next(); batch !== null; batch = delivery.next()) {
      const reply = await this.#send(member, batch, signal);
      const settled = 'outcome' in reply ? delivery.answered(reply.outcome) : delivery.failed(reply.failure);
      if (settled?.outcome.kind === 'told') unwanted.push(...settled.outcome.refused.map(({ entry }) => entry));
    }
    if (delivery.state.kind === 'broken') throw delivery.state.failure;
    const { suspects } = delivery;
    if (suspects.length > 0) this.#modules.log.debug('a peer rejects some records', { peer: member.wallet, records: suspects.length });
    return unwanted;
  }

  async #send<Entry extends Sent>(member: Member, { data, entries }: DeltaBatch<Entry>, signal: AbortSignal): Promise<Reply<Entry>> {
    const limits = { timeoutMs: PEER_TIMEOUT_MS.delta, maxAnswerBytes: MAX_ANSWER_BYTES, signal };
    try {
      const outcome = judgeDeltaAnswer(entries, await this.#modules.conversation.exchange(member, { type: 'delta', data }, limits));
      return outcome === null ? { failure: new PeerError('bad_answer', 'the answer does not say what happened to the records') } : { outcome };
    } catch (error) {
      if (error instanceof PeerError) return { failure: error };
      throw error;
    }
  }

  #tell(peer: Member, events: readonly PushEvent[]): void {
    const { store, acknowledgements, log, meter } = this.#modules;
    for (const event of events) {
      meter?.recordPushed(event);
      if (event.kind !== 'taken') continue;
      const { appId, record, sequenceNumber } = event.entry;
      store.noteTaken(appId, record.key, sequenceNumber);
      acknowledgements.note(peer.wallet, { appId, key: record.key, sequenceNumber });
    }
    // One line per batch, so that a peer that refuses everything does not flood the log.
    const refusals = events.filter((event) => event.kind === 'refused');
    const [first] = refusals;
    if (first !== undefined) log.warn('a peer refuses records permanently', { peer: peer.wallet, records: refusals.length, app_id: first.entry.appId, why: first.reason });
  }
}
