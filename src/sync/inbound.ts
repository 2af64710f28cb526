/**
 * Answers messages from peers (protocol.md §4, §10). Before a message reaches this module, its sender has been authenticated, its
 * envelope opened and its HMAC checked. Each type of message has one method; unknown types are refused.
 */
import type { Vault } from '../crypto/vault.ts';
import { RefusalError } from '../domain/errors.ts';
import { parseWallet } from '../domain/ids.ts';
import { MAX_SNAPSHOT_PAGE_BYTES } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log, PeerDirectory } from '../domain/ports.ts';
import type { FirstSnapshotState } from '../domain/readiness.ts';
import type { Staleness } from './staleness.ts';
import { appDigestsPage, rootDigestOf } from './app-digests.ts';
import { mergeBatch } from './merge-batch.ts';
import { deltaRequest, digestRequest, masterSecretRequest, requestId, snapshotRequest, storeIdField } from './messages.ts';
import type { PacerModules } from './pacer.ts';
import type { SyncStore } from './ports.ts';
import type { Replicas } from './replicas.ts';
import { snapshotPage } from './snapshot-page.ts';

/** Room in an envelope for everything except the hex of the records: keys, nonce, tag, and the other inner fields. Bytes. */
const ENVELOPE_OVERHEAD_BYTES = 1_024;
/**
 * Maximum number of characters on the wire for each byte that a record takes in memory. A byte of a value becomes two hex digits. Any other
 * field has fewer characters on the wire than bytes in memory.
 */
const WIRE_CHARS_A_HELD_BYTE = 2;

export interface SyncInboundOptions {
  /** `PEER_CACHE_TTL_SECONDS` in milliseconds. If the membership is older than this, this node does not hand out the secret. */
  readonly peerCacheTtlMs: number;
}

export interface SyncInboundModules extends PacerModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Pick<Vault, 'sealMasterSecret'>;
  readonly directory: PeerDirectory;
  readonly store: SyncStore;
  readonly replicas: Replicas;
  readonly staleness: Staleness;
  readonly issueNonce: () => string;
  readonly firstSnapshot: () => FirstSnapshotState;
  /** Whether this node is sure. Only a sure node may say that a key is absent (protocol.md §10, "404 means absent"). */
  readonly isSure: () => boolean;
  /** Whether the last good view of the chain is recent enough to hand out the secret (protocol.md §6, Freshness). */
  readonly mayHandOut: () => boolean;
  /** Called after the master secret has been sealed for another member. */
  readonly onHandedOut: () => void;
}

export class SyncInbound {
  readonly #options: SyncInboundOptions;
  readonly #modules: SyncInboundModules;

  constructor(options: SyncInboundOptions, modules: SyncInboundModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Returns false only for a request for the master secret, because the sender of such a request does not have the sync key yet. */
  requiresHmac(message: Record<string, unknown>): boolean {
    return message['type'] !== 'master_secret_request';
  }

  /**
   * Maximum length of the snapshot page that answers the message, in characters inside the envelope. If the store is smaller than a page,
   * the maximum is lower. Null if the message is not a snapshot request.
   */
  snapshotChars(message: Record<string, unknown>): number | null {
    if (message['type'] !== 'snapshot_request') return null;
    const request = snapshotRequest.safeParse(message);
    // A malformed request is refused without a page.
    if (!request.success) return 0;
    return Math.min(pageChars(request.data.max_bytes), this.#modules.store.heldBytes * WIRE_CHARS_A_HELD_BYTE);
  }

  /** @throws RefusalError */
  async handle(sender: Member, message: Record<string, unknown>): Promise<object> {
    checkSender(sender, message['sender_wallet']);
    this.#noteSender(sender, message);
    const answer = await this.#answer(sender, message);
    const echo = requestId.safeParse(message['request_id']);
    return {
      status: 'ok',
      ...answer,
      store_id: this.#modules.store.storeId,
      next_nonce: this.#modules.issueNonce(),
      ...(echo.success ? { request_id: echo.data } : {}),
    };
  }

  async #answer(sender: Member, message: Record<string, unknown>): Promise<object> {
    switch (message['type']) {
      case 'master_secret_request':
        return this.#giveSecret(sender, message);
      case 'snapshot_request':
        return this.#giveSnapshot(message);
      case 'delta':
        return this.#takeDelta(message);
      case 'digest_request':
        return this.#giveDigest(message);
      default:
        throw new RefusalError('bad_request', 'the message type is unknown');
    }
  }

  #giveSecret(sender: Member, message: Record<string, unknown>): object {
    const { directory, vault, log } = this.#modules;
    if (!this.#modules.mayHandOut()) {
      throw new RefusalError('service_unavailable', 'the view of the chain is too old for this node to hand out the master secret');
    }
    if (directory.ageMs() > this.#options.peerCacheTtlMs) {
      throw new RefusalError('service_unavailable', 'the membership data is too old for this node to hand out the master secret');
    }
    // If the sender's entry in the membership is from an earlier read, the sender may have been revoked since then.
    if (sender.asLastRead === true) throw new RefusalError('service_unavailable', 'the registry entry of the sender cannot be read now');
    const request = masterSecretRequest.safeParse(message);
    if (!request.success) throw new RefusalError('bad_request', 'ecdh_pubkey must be hex without 0x');
    const sealed = vault.sealMasterSecret(request.data.ecdh_pubkey.toLowerCase());
    this.#modules.onHandedOut();
    log.info('master secret handed to a member', { member: sender.wallet });
    return { sealed };
  }

  async #giveSnapshot(message: Record<string, unknown>): Promise<object> {
    const request = snapshotRequest.safeParse(message);
    if (!request.success) throw new RefusalError('bad_request', 'the snapshot request is malformed');
    const { max_bytes: asked, cursor, app, buckets } = request.data;
    const page = await snapshotPage({ cursor, app, buckets }, pageChars(asked), this.#modules);
    return {
      data: page.data,
      // A peer that does not use pages cannot ask for the next page. It gets the remaining records as deltas.
      ...(page.nextCursor === null || (asked === undefined && cursor === undefined) ? {} : { next_cursor: page.nextCursor }),
      ...(this.#isComplete() ? {} : { complete: false }),
      ...this.#sureWord(),
    };
  }

  async #takeDelta(message: Record<string, unknown>): Promise<object> {
    const request = deltaRequest.safeParse(message);
    if (!request.success) throw new RefusalError('bad_request', 'data must be an object with a list of records for each app id');
    const report = await mergeBatch(request.data.data, this.#modules);
    const full = report.skip_reasons['store_full'];
    if (full !== undefined) this.#modules.log.warn('the store is full: records from peers are refused', { refused: full });
    return report;
  }

  async #giveDigest(message: Record<string, unknown>): Promise<object> {
    const request = digestRequest.safeParse(message);
    if (!request.success) throw new RefusalError('bad_request', 'the digest request is malformed');
    const { store, staleness } = this.#modules;
    // A stale node may hold records that other nodes have deleted. A comparison would bring them back.
    if (staleness.isStale()) throw new RefusalError('service_unavailable', 'this node was cut off for too long to take part in a comparison');
    store.letAge(this.#modules.clock.nowMs());
    const { apps, app, cursor } = request.data;
    if (app !== undefined) return { buckets: store.bucketDigests(app), ...this.#sureWord() };
    if (apps !== true) return { root: await rootDigestOf(this.#modules), ...this.#sureWord() };
    const page = await appDigestsPage(cursor, this.#modules);
    return { apps: page.apps, ...(page.nextCursor === null ? {} : { next_cursor: page.nextCursor }), ...this.#sureWord() };
  }

  #sureWord(): { readonly sure?: true } {
    return this.#modules.isSure() ? { sure: true } : {};
  }

  #isComplete(): boolean {
    return this.#modules.firstSnapshot() === 'complete' && !this.#modules.staleness.isStale();
  }

  /**
   * If the store of a peer is new, this node pushes all its own writes to the peer again. An older peer sends no store_id, but some of its
   * requests show that its store is new.
   */
  #noteSender(sender: Member, message: Record<string, unknown>): void {
    const { staleness, replicas } = this.#modules;
    staleness.noteExchange();
    const replica = replicas.of(sender);
    replica.noteAlive();
    const storeId = storeIdField.safeParse(message['store_id']);
    if (storeId.success) replica.noteStoreId(storeId.data);
    else if (startsAnew(message)) replica.reset();
  }
}

/** @param asked size of the envelope on the wire in bytes; the envelope contains each byte of the inner text as two hex digits */
function pageChars(asked = MAX_SNAPSHOT_PAGE_BYTES): number {
  return Math.floor((Math.min(asked, MAX_SNAPSHOT_PAGE_BYTES) - ENVELOPE_OVERHEAD_BYTES) / 2);
}

/** Whether the message shows that its sender has just started, or is starting again with an empty store. */
function startsAnew(message: Record<string, unknown>): boolean {
  const type = message['type'];
  return type === 'master_secret_request' || (type === 'snapshot_request' && message['cursor'] === undefined);
}

/** `sender_wallet`, if present, must be the wallet that signed the request. */
function checkSender(sender: Member, claimed: unknown): void {
  if (claimed === undefined) return;
  if (typeof claimed !== 'string' || !claimed.startsWith('0x') || parseWallet(claimed) !== sender.wallet) {
    throw new RefusalError('forbidden', 'sender_wallet is not the signer');
  }
}
