/**
 * What a node answers its peers (protocol.md §4, §10). The sender is authenticated, its envelope opened and its HMAC
 * checked before a message comes here. Each type is one method; what is not known is refused.
 */
import type { Vault } from '../crypto/vault.ts';
import { RefusalError } from '../domain/errors.ts';
import { parseWallet } from '../domain/ids.ts';
import { MAX_SNAPSHOT_PAGE_BYTES } from '../domain/limits.ts';
import type { Member } from '../domain/membership.ts';
import type { Log, PeerDirectory } from '../domain/ports.ts';
import type { FirstSnapshotState } from '../domain/readiness.ts';
import { deltaRequest, masterSecretRequest, requestId, snapshotRequest } from './messages.ts';
import type { SyncStore } from './ports.ts';

/** Of an envelope, beside twice the inner text: keys, nonce, tag, and the inner fields around the records. Bytes. */
const ENVELOPE_OVERHEAD_BYTES = 1_024;

export interface SyncInboundOptions {
  /** `PEER_CACHE_TTL_SECONDS` in milliseconds: with an older membership nobody gets the secret. */
  readonly peerCacheTtlMs: number;
}

export interface SyncInboundModules {
  readonly log: Log;
  readonly vault: Pick<Vault, 'sealMasterSecret'>;
  readonly directory: PeerDirectory;
  readonly store: SyncStore;
  readonly issueNonce: () => string;
  readonly firstSnapshot: () => FirstSnapshotState;
}

export class SyncInbound {
  readonly #options: SyncInboundOptions;
  readonly #modules: SyncInboundModules;

  constructor(options: SyncInboundOptions, modules: SyncInboundModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** The one message that comes before its sender can have the sync key. */
  requiresHmac(message: Record<string, unknown>): boolean {
    return message['type'] !== 'master_secret_request';
  }

  /** @throws RefusalError */
  async handle(sender: Member, message: Record<string, unknown>): Promise<object> {
    checkSender(sender, message['sender_wallet']);
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
      default:
        throw new RefusalError('bad_request', 'the type of the message is not known');
    }
  }

  #giveSecret(sender: Member, message: Record<string, unknown>): object {
    const { directory, vault, log } = this.#modules;
    if (directory.ageMs() > this.#options.peerCacheTtlMs) {
      throw new RefusalError('service_unavailable', 'the membership is too old to hand out the master secret');
    }
    const request = masterSecretRequest.safeParse(message);
    if (!request.success) throw new RefusalError('bad_request', 'ecdh_pubkey is missing or no bare hex');
    const sealed = vault.sealMasterSecret(request.data.ecdh_pubkey.toLowerCase());
    log.info('master secret handed to a member', { member: sender.wallet });
    return { sealed };
  }

  async #giveSnapshot(message: Record<string, unknown>): Promise<object> {
    const request = snapshotRequest.safeParse(message);
    if (!request.success) throw new RefusalError('bad_request', 'the snapshot request is malformed');
    const { max_bytes: asked, cursor, app, buckets } = request.data;
    const wireBytes = Math.min(asked ?? MAX_SNAPSHOT_PAGE_BYTES, MAX_SNAPSHOT_PAGE_BYTES);
    // The envelope writes each byte of the inner text as two hex digits.
    const maxBytes = Math.floor((wireBytes - ENVELOPE_OVERHEAD_BYTES) / 2);
    const page = await this.#modules.store.snapshotPage({
      maxBytes,
      ...(cursor === undefined ? {} : { cursor }),
      ...(app === undefined ? {} : { app }),
      ...(buckets === undefined ? {} : { buckets }),
    });
    return {
      data: page.data,
      // Who asks without pages cannot ask for the rest: it follows as deltas.
      ...(page.nextCursor === null || (asked === undefined && cursor === undefined) ? {} : { next_cursor: page.nextCursor }),
      ...(this.#modules.firstSnapshot() === 'complete' ? {} : { complete: false }),
    };
  }

  async #takeDelta(message: Record<string, unknown>): Promise<object> {
    const request = deltaRequest.safeParse(message);
    if (!request.success) throw new RefusalError('bad_request', 'data is no object of records by app');
    return this.#modules.store.mergeBatch(request.data.data);
  }
}

/** `sender_wallet`, where present, is the signer. */
function checkSender(sender: Member, claimed: unknown): void {
  if (claimed === undefined) return;
  if (typeof claimed !== 'string' || !claimed.startsWith('0x') || parseWallet(claimed) !== sender.wallet) {
    throw new RefusalError('forbidden', 'sender_wallet is not the signer');
  }
}
