/**
 * A member in the test process that acts as an older node (protocol.md §9). Its answer to a delta contains only `merged`. It does not
 * support digests, pages, `request_id`, `store_id` or `next_nonce`, refuses bodies over 2 MiB with 413, and hands out 30 nonces a minute to
 * each peer. Its keys, envelopes, proofs and signatures are real, and it merges records according to the same rules as the real nodes.
 */
import { pause } from '../../../src/dev/waiting.ts';
import type { AppId, TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { Member } from '../../../src/domain/membership.ts';
import type { WireRecord } from '../../../src/domain/records.ts';
import { deriveKey } from '../../../src/crypto/derivation.ts';
import { systemClock } from '../../../src/system/system.ts';
import { startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { asOlderKind } from '../../support/older-kind.ts';
import { freshKeys } from './fresh-keys.ts';
import { RawCaller, RawHttp, type Target } from './raw-caller.ts';

/** The largest body that nodes written in Rust accept on `/sync`. */
const BODY_LIMIT_BYTES = 2 * 1024 * 1024;
const NONCES_PER_MINUTE = 30;
/** All peers here share one address, and a shared address on loopback gets ten times the limit. */
const LOOPBACK_FACTOR = 10;
/** How often the older node's clock is set to the system's clock. Milliseconds. */
const CLOCK_STEP_MS = 50;

/** A request to the older node, and the answer. */
export interface ServedRequest {
  readonly path: string;
  readonly bytes: number;
  readonly status: number;
}

export interface OlderNodeOptions {
  /** The cluster's master secret, in hex. */
  readonly secret: string;
  /** The number of peers that get nonces from the older node. */
  readonly peers: number;
}

export class OlderNode {
  readonly url: string;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly served: readonly ServedRequest[];
  /** The status of every answer that the older node got, including answers with nonces. */
  readonly answers: number[] = [];
  readonly #node: NodeOverHttp;
  readonly #caller: RawCaller;
  readonly #http: RawHttp;
  readonly #syncKey: Uint8Array;
  readonly #following: Promise<void>;
  #closed = false;
  #count = 0;

  private constructor(node: NodeOverHttp, modules: { readonly caller: RawCaller; readonly http: RawHttp; readonly served: readonly ServedRequest[] }, secret: string) {
    this.#node = node;
    this.#caller = modules.caller;
    this.#http = modules.http;
    this.served = modules.served;
    this.#syncKey = deriveKey(Buffer.from(secret, 'hex'), 0, 'sync_hmac_key', 32);
    this.url = node.url;
    this.wallet = node.identity.wallet;
    this.teePubkey = node.identity.teePubkey;
    this.#following = this.#followTime();
  }

  static async start({ secret, peers }: OlderNodeOptions): Promise<OlderNode> {
    const { walletKey, teeScalar } = freshKeys();
    const served: ServedRequest[] = [];
    const node = await startNodeOverHttp({
      nowMs: systemClock.nowMs(),
      walletKey,
      teeScalar,
      secret,
      http: { maxSyncPayloadBytes: BODY_LIMIT_BYTES, nonceRateLimitPerMinute: (NONCES_PER_MINUTE * peers) / LOOPBACK_FACTOR },
      sync: asOlderKind,
      listener: (real) => (request, response) => {
        response.once('finish', () => {
          served.push({ path: request.url ?? '', bytes: Number(request.headers['content-length'] ?? 0), status: response.statusCode });
        });
        real(request, response);
      },
    });
    const http = new RawHttp();
    return new OlderNode(node, { caller: await RawCaller.create('peer', node.enclave, { http }), http, served }, secret);
  }

  /** Sets the older node's view of the members. */
  know(members: readonly Member[]): void {
    this.#node.peerCache.update({ block: 1n, members, dropped: [] });
  }

  /** Writes as older nodes do: the clock key is the node's wallet, and each key of the store has a separate count. */
  write(appId: number, key: string, value: string | null): WireRecord {
    const { clock, store, vault } = this.#node;
    const held = store.recordOf(String(appId), key);
    this.#count += 1;
    const record: WireRecord = {
      key,
      value: value === null ? null : Buffer.from(vault.sealValue(appId as AppId, Buffer.from(value))).toString('hex'),
      version: { ...held?.version, [this.wallet]: (held?.version[this.wallet] ?? 0) + 1 },
      updated_at_ms: Math.max(clock.nowMs(), (held?.updated_at_ms ?? 0) + 1),
      tombstone: value === null,
      ttl_ms: 0,
    };
    store.merge(String(appId), record, clock.nowMs());
    return record;
  }

  /** @returns the inner answer; null if the node did not answer 200 */
  async push(target: Target, appId: number, records: readonly WireRecord[]): Promise<Record<string, unknown> | null> {
    return this.#ask(target, { type: 'delta', data: { [appId]: records } });
  }

  async askSnapshot(target: Target): Promise<Record<string, unknown> | null> {
    return this.#ask(target, { type: 'snapshot_request' });
  }

  read(appId: number, key: string): string | null {
    const { clock, store, vault } = this.#node;
    const held = store.get(String(appId), key, clock.nowMs());
    const opened = held === null ? null : vault.openValue(appId as AppId, held.value);
    return opened === null ? null : Buffer.from(opened).toString();
  }

  keys(appId: number): readonly string[] {
    return this.#node.store.list(String(appId), {}, this.#node.clock.nowMs()).keys;
  }

  /** The largest number of consecutive requests for nonces that the older node answered with 429. */
  longestRefusal(): number {
    let longest = 0;
    let row = 0;
    for (const { path, status } of this.served) {
      if (path !== '/nonce') continue;
      row = status === 429 ? row + 1 : 0;
      longest = Math.max(longest, row);
    }
    return longest;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#following;
    await this.#node.close();
  }

  /** Sets the older node's manual clock to the system's clock. */
  async #followTime(): Promise<void> {
    const { clock } = this.#node;
    while (!this.#closed) {
      await clock.advance(Math.max(0, systemClock.nowMs() - clock.nowMs()));
      await pause(CLOCK_STEP_MS).passed;
    }
  }

  async #ask(target: Target, inner: object): Promise<Record<string, unknown> | null> {
    const nonce = await this.#http.get(target.localUrl, '/nonce');
    this.answers.push(nonce.status);
    if (nonce.status !== 200) return null;
    const message = { ...inner, sender_wallet: this.wallet };
    const changes = { nonce: (nonce.json as { nonce: string }).nonce, syncKey: this.#syncKey };
    const answer = await this.#caller.send(target, 'POST', '/sync', message, changes);
    this.answers.push(answer.status);
    return answer.status === 200 ? this.#caller.open(answer) : null;
  }
}
