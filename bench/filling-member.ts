/**
 * A member in this process that fills a node's store with real deltas, because single puts would take minutes. It has the master secret
 * of the benchmark, seals values with the app's data key, and uses the production code for messages between peers.
 */
import { randomBytes } from 'node:crypto';
import { ENVELOPE_INFO } from '../src/crypto/envelope.ts';
import { p384FromScalar } from '../src/crypto/p384.ts';
import { walletOfPrivateKey } from '../src/crypto/signature.ts';
import { Vault } from '../src/crypto/vault.ts';
import type { AppId, StoreId, TeePubkey, Wallet } from '../src/domain/ids.ts';
import { PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../src/domain/limits.ts';
import type { Enclave } from '../src/domain/ports.ts';
import type { WireRecord } from '../src/domain/records.ts';
import { PeerTransport } from '../src/net/peer-transport.ts';
import { planDelta, type Sent } from '../src/sync/delta-plan.ts';
import { PeerBook } from '../src/sync/peer-book.ts';
import { PeerConversation } from '../src/sync/peer-conversation.ts';
import { systemClock, systemRandom } from '../src/system/system.ts';
import { inProcessEnclave } from '../test/support/in-process-enclave.ts';
import { memberOf } from '../test/support/members.ts';
import { benchKey } from './bench-key.ts';

export interface FilledNode {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly url: string;
}

export class FillingMember {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  /** No process listens at this URL. */
  readonly url = 'http://127.0.0.1:9';
  readonly #vault: Vault;
  readonly #transport = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
  readonly #conversation: PeerConversation;

  /** @param secretHex the master secret */
  constructor(secretHex: string) {
    const walletKey = new Uint8Array(randomBytes(32));
    const teeScalar = `00${randomBytes(47).toString('hex')}`;
    this.wallet = walletOfPrivateKey(walletKey);
    this.teePubkey = p384FromScalar(teeScalar).publicKeyDer;
    const enclave: Enclave = inProcessEnclave({ info: ENVELOPE_INFO.capsule, walletKey, teeScalar }, { random: systemRandom, clock: systemClock });
    const secret = Uint8Array.from(Buffer.from(secretHex, 'hex'));
    this.#vault = new Vault({ random: systemRandom });
    this.#vault.serve(this.#vault.hold(secret));
    this.#vault.installSyncKey();
    this.#conversation = new PeerConversation({
      clock: systemClock,
      random: systemRandom,
      transport: this.#transport,
      enclave,
      vault: this.#vault,
      book: new PeerBook({ blacklistMs: 0 }, { clock: systemClock }),
      identity: () => this,
      storeId: () => '00'.repeat(8) as StoreId,
      isMember: () => true,
      onClock: () => undefined,
      onAnswer: () => undefined,
    });
  }

  /** Returns records of an app as if this member had written them. */
  records(appId: number, count: number, valueBytes: number): readonly Sent[] {
    const now = systemClock.nowMs();
    return Array.from({ length: count }, (_, index) => {
      const value = Buffer.from(this.#vault.sealValue(appId as AppId, randomBytes(valueBytes))).toString('hex');
      const version = { [`${this.wallet}/${'00'.repeat(8)}`]: now + index };
      const record: WireRecord = { key: benchKey(index), value, version, updated_at_ms: now, tombstone: false, ttl_ms: 0 };
      return { appId: String(appId), record };
    });
  }

  /** @throws PeerError @throws Error when the node does not accept all records */
  async fill(node: FilledNode, records: readonly Sent[]): Promise<void> {
    const member = memberOf(node.wallet, node.teePubkey, node.url);
    let left = records;
    for (let batch = planDelta(left); batch !== null; batch = planDelta(left)) {
      const answer = await this.#conversation.exchange(
        member,
        { type: 'delta', data: batch.data },
        { timeoutMs: PEER_TIMEOUT_MS.delta, maxAnswerBytes: SMALL_ANSWER_BYTES, signal: AbortSignal.timeout(PEER_TIMEOUT_MS.delta) },
      );
      if (answer['merged'] !== batch.entries.length) throw new Error(`the node merged ${String(answer['merged'])} of ${batch.entries.length} records`);
      left = left.slice(batch.entries.length);
    }
  }

  async close(): Promise<void> {
    this.#vault.wipe();
    await this.#transport.close();
  }
}
