/**
 * A member in the test process that asks nodes for the master secret over the real protocol (protocol.md §4, §5). It reports the hash of
 * the secret that it got, or the refusal. It answers no requests.
 */
import { keccak256 } from '../../../src/crypto/hash.ts';
import { generateP384 } from '../../../src/crypto/p384.ts';
import { openSecret } from '../../../src/crypto/sealed-secret.ts';
import type { Hash32, StoreId, TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { ENVELOPE_INFO } from '../../../src/crypto/envelope.ts';
import { PeerTransport } from '../../../src/net/peer-transport.ts';
import { PeerBook } from '../../../src/sync/peer-book.ts';
import { PeerConversation } from '../../../src/sync/peer-conversation.ts';
import { PeerError } from '../../../src/sync/peer-error.ts';
import { systemClock, systemRandom } from '../../../src/system/system.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { memberOf } from '../../support/node-over-http.ts';
import { freshKeys } from './fresh-keys.ts';

export type Asked =
  | { readonly kind: 'given'; readonly hash: Hash32 }
  /** The HTTP status of the refusal. */
  | { readonly kind: 'refused'; readonly status: number | undefined }
  /** The sealed payload cannot be opened, or does not contain 32 bytes. */
  | { readonly kind: 'unreadable' };

/** The node to ask, or a test double that speaks the protocol of a node. */
export interface AskedNode {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly url: string;
}

const TIMEOUT_MS = 60_000;

export class AskingMember {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  /** No process listens at this URL. */
  readonly url = 'http://127.0.0.1:9';
  readonly #enclave: Enclave;
  readonly #transport = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });

  constructor() {
    const keys = freshKeys();
    this.wallet = keys.wallet;
    this.teePubkey = keys.teePubkey;
    const walletKey = Uint8Array.from(Buffer.from(keys.walletKey, 'hex'));
    this.#enclave = inProcessEnclave(
      { info: ENVELOPE_INFO.capsule, walletKey, teeScalar: keys.teeScalar },
      { random: systemRandom, clock: systemClock },
    );
  }

  /** @throws PeerError when the node does not answer as the protocol says */
  async askForSecret(node: AskedNode): Promise<Asked> {
    const conversation = new PeerConversation({
      clock: systemClock,
      random: systemRandom,
      transport: this.#transport,
      enclave: this.#enclave,
      vault: { hasSyncKey: () => false, syncHmac: () => '' },
      // A new book for each request: a shared book would limit how often this member may ask the same node for a nonce.
      book: new PeerBook({ blacklistMs: 0 }, { clock: systemClock }),
      identity: () => this,
      storeId: () => '00'.repeat(8) as StoreId,
      isMember: () => true,
      onClock: () => undefined,
      onAnswer: () => undefined,
    });
    const keys = generateP384(systemRandom);
    try {
      const answer = await conversation.exchange(
        memberOf(node.wallet, node.teePubkey, node.url),
        { type: 'master_secret_request', ecdh_pubkey: keys.publicKeyDer },
        { timeoutMs: TIMEOUT_MS, maxAnswerBytes: 65_536, signal: AbortSignal.timeout(TIMEOUT_MS) },
      );
      const secret = openSecret(keys, answer['sealed']);
      return secret === null ? { kind: 'unreadable' } : { kind: 'given', hash: keccak256(secret) };
    } catch (error) {
      if (error instanceof PeerError && error.failure === 'refused') return { kind: 'refused', status: error.status };
      throw error;
    } finally {
      keys.wipe();
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }
}
