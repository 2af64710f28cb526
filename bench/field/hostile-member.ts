/**
 * A hostile registered member. Like any member, it has the master secret. It sends records whose clocks contain forged counts for the
 * nodes, records with a thousand new clock entries, records with times in the future, and tombstones of invented apps. As a server, it
 * acknowledges records that it does not keep, and claims to be sure although its store is empty.
 */
import { randomBytes } from 'node:crypto';
import { generateP384 } from '../../src/crypto/p384.ts';
import { openSecret } from '../../src/crypto/sealed-secret.ts';
import { ENVELOPE_INFO } from '../../src/crypto/envelope.ts';
import { Vault } from '../../src/crypto/vault.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { pause } from '../../src/dev/waiting.ts';
import type { AppId, StoreId, TeePubkey, Wallet } from '../../src/domain/ids.ts';
import { SMALL_ANSWER_BYTES } from '../../src/domain/limits.ts';
import type { WireRecord } from '../../src/domain/records.ts';
import type { SyncHandler } from '../../src/http/sync-route.ts';
import { PeerTransport } from '../../src/net/peer-transport.ts';
import { PeerBook } from '../../src/sync/peer-book.ts';
import { PeerConversation } from '../../src/sync/peer-conversation.ts';
import { systemClock, systemRandom } from '../../src/system/system.ts';
import { freshKeys } from '../../test/e2e/support/fresh-keys.ts';
import { inProcessEnclave } from '../../test/support/in-process-enclave.ts';
import { memberOf, startNodeOverHttp, type NodeOverHttp } from '../../test/support/node-over-http.ts';

const TIMEOUT_MS = 15_000;
/**
 * A node accepts a count in a vector clock up to its own time in Unix milliseconds, plus `MAX_CLOCK_SKEW_MS`, plus this number
 * (protocol.md §10, Bounds).
 */
const COUNT_LEAD = 2 ** 20;
const CLOCK_ENTRIES = 1_000;
const CLOCK_RECORDS = 8;
const TOMBSTONES = 500;
const FUTURE_MS = 3_600_000;
/** Number of keys that the member writes repeatedly. */
const OWN_KEYS = 200;

export type Attack = 'clocks' | 'tombstones' | 'future';

export class HostileMember {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly walletKey: string;
  readonly teeScalar: string;
  /** Number of messages that nodes accepted, for each kind of attack. */
  readonly sent = new Map<string, number>();
  readonly #vault = new Vault({ random: systemRandom });
  readonly #transport = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
  readonly #conversation: PeerConversation;
  readonly #storeIds = new Map<Wallet, string>();
  #server: NodeOverHttp | null = null;
  #ticking: ReturnType<typeof pause> | null = null;
  #nth = 0;

  constructor() {
    const keys = freshKeys();
    this.wallet = keys.wallet;
    this.teePubkey = keys.teePubkey;
    this.walletKey = keys.walletKey;
    this.teeScalar = keys.teeScalar;
    const walletKey = Uint8Array.from(Buffer.from(keys.walletKey, 'hex'));
    const enclave = inProcessEnclave({ info: ENVELOPE_INFO.capsule, walletKey, teeScalar: keys.teeScalar }, { random: systemRandom, clock: systemClock });
    this.#conversation = new PeerConversation({
      clock: systemClock,
      random: systemRandom,
      transport: this.#transport,
      enclave,
      vault: this.#vault,
      book: new PeerBook({ blacklistMs: 0 }, { clock: systemClock }),
      identity: () => this,
      storeId: () => 'ee'.repeat(8) as StoreId,
      isMember: () => true,
      onClock: () => undefined,
      onAnswer: (member, storeId) => {
        if (storeId !== undefined) this.#storeIds.set(member.wallet, storeId);
      },
    });
  }

  /** Gets the master secret from a node, and starts to answer requests. @returns the port on which it listens. @throws PeerError */
  async join(node: ClusterNode): Promise<number> {
    const keys = generateP384(systemRandom);
    const answer = await this.#exchange(node, { type: 'master_secret_request', ecdh_pubkey: keys.publicKeyDer });
    const secret = openSecret(keys, answer['sealed']);
    keys.wipe();
    if (secret === null) throw new Error(`${node.name} sent no secret that this member can open`);
    const secretHex = Buffer.from(secret).toString('hex');
    this.#vault.serve(this.#vault.hold(secret));
    this.#vault.installSyncKey();
    const { walletKey, teeScalar } = this;
    this.#server = await startNodeOverHttp({ nowMs: systemClock.nowMs(), walletKey, teeScalar, secret: secretHex, sync: lying });
    void this.#keepTime(this.#server);
    return this.#server.port;
  }

  /** Sets the members that this member answers. */
  know(nodes: readonly ClusterNode[]): void {
    const members = nodes.map(({ wallet, teePubkey, url }) => memberOf(wallet, teePubkey, url));
    this.#server?.peerCache.update({ block: 1n, members, dropped: [] });
  }

  /** @throws PeerError when the node does not answer or refuses the message as a whole */
  async attack(node: ClusterNode, attack: Attack, appId: number): Promise<void> {
    this.#nth += 1;
    const data =
      attack === 'tombstones'
        ? Object.fromEntries(Array.from({ length: TOMBSTONES }, (_, nth) => [String(1_000_000 + this.#nth * TOMBSTONES + nth), [this.#tombstone()]]))
        : { [String(appId)]: Array.from({ length: CLOCK_RECORDS }, () => (attack === 'clocks' ? this.#manyEntries(appId) : this.#toCome(appId))) };
    await this.#exchange(node, { type: 'delta', data });
    this.#count(attack);
  }

  /** Sends the node a record. In the record's clock, the receiver's count is higher than its real count. @throws PeerError */
  async forgeCount(node: ClusterNode, appId: number, key: string): Promise<void> {
    const storeId = this.#storeIds.get(node.wallet) ?? '00'.repeat(8);
    const now = systemClock.nowMs();
    const record = this.#record(appId, key, { [`${node.wallet}/${storeId}`]: now + COUNT_LEAD / 2 }, now);
    await this.#exchange(node, { type: 'delta', data: { [String(appId)]: [record] } });
    this.#count('forged counts');
  }

  async close(): Promise<void> {
    this.#ticking?.cancel();
    const server = this.#server;
    this.#server = null;
    await server?.close();
    await this.#transport.close();
    this.#vault.wipe();
  }

  #count(attack: string): void {
    this.sent.set(attack, (this.sent.get(attack) ?? 0) + 1);
  }

  #record(appId: number, key: string, version: Readonly<Record<string, number>>, updatedAtMs: number): WireRecord {
    const value = Buffer.from(this.#vault.sealValue(appId as AppId, randomBytes(100))).toString('hex');
    return { key, value, version, updated_at_ms: updatedAtMs, tombstone: false, ttl_ms: 0 };
  }

  #manyEntries(appId: number): WireRecord {
    const now = systemClock.nowMs();
    const entries = Array.from({ length: CLOCK_ENTRIES }, () => [`0x${randomBytes(20).toString('hex')}/${randomBytes(8).toString('hex')}`, now] as const);
    return this.#record(appId, `own-${Math.floor(Math.random() * OWN_KEYS)}`, Object.fromEntries(entries), now);
  }

  #toCome(appId: number): WireRecord {
    const now = systemClock.nowMs();
    return this.#record(appId, `own-${Math.floor(Math.random() * OWN_KEYS)}`, { [`${this.wallet}/${'ee'.repeat(8)}`]: now }, now + FUTURE_MS);
  }

  #tombstone(): WireRecord {
    const now = systemClock.nowMs();
    return { key: randomBytes(16).toString('hex'), value: null, version: { [`${this.wallet}/${'ee'.repeat(8)}`]: now }, updated_at_ms: now, tombstone: true, ttl_ms: 0 };
  }

  async #exchange(node: ClusterNode, message: { readonly type: string } & Record<string, unknown>): Promise<Record<string, unknown>> {
    const options = { timeoutMs: TIMEOUT_MS, maxAnswerBytes: SMALL_ANSWER_BYTES * 4, signal: AbortSignal.timeout(TIMEOUT_MS) };
    return this.#conversation.exchange(memberOf(node.wallet, node.teePubkey, node.localUrl), message, options);
  }

  /** Keeps the test clock of this member's server in step with real time. */
  async #keepTime(server: NodeOverHttp): Promise<void> {
    while (this.#server === server) {
      await server.clock.advance(Math.max(0, systemClock.nowMs() - server.clock.nowMs()));
      this.#ticking = pause(500);
      await this.#ticking.passed;
    }
  }
}

/** Acknowledges records without storing them, and claims to be sure although its store is empty. */
function lying(real: SyncHandler): SyncHandler {
  return {
    requiresHmac: (message) => real.requiresHmac(message),
    snapshotChars: (message) => real.snapshotChars(message),
    async handle(sender, message) {
      if (message['type'] === 'delta') {
        const total = Object.values((message['data'] ?? {}) as Record<string, readonly unknown[]>).reduce((sum, records) => sum + records.length, 0);
        return { ...(await real.handle(sender, { ...message, data: {} })), total, merged: total, skipped: 0, rejected: 0 };
      }
      const answer = (await real.handle(sender, message)) as Record<string, unknown>;
      return message['type'] === 'snapshot_request' || message['type'] === 'digest_request' ? { ...answer, sure: true } : answer;
    },
  };
}
