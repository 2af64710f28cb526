/**
 * The enclave of one instance: keys generated from the seed, valid signatures, and an API that may be slow, fail or return nonsense. Each
 * pair of enclaves uses one key for all its envelopes. Real enclaves derive a key per message, but here this would test nothing and would
 * take a tenth of a run's time. The enclave also reports each plaintext before it is sealed, because some invariants are about plaintexts.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { aesGcmOpen, aesGcmSeal, AEAD_NONCE_BYTES } from '../../crypto/aead.ts';
import { hkdfSha256 } from '../../crypto/hkdf.ts';
import { generateP384, P384Error, type P384KeyPair } from '../../crypto/p384.ts';
import { walletOfPrivateKey } from '../../crypto/signature.ts';
import type { TeePubkey, Wallet } from '../../domain/ids.ts';
import { DependencyError } from '../../domain/errors.ts';
import type { Enclave, Plaintext, SealedText, SignedTransaction, UnsignedTransaction } from '../../domain/ports.ts';
import { signTransaction } from '../../enclave/transaction.ts';
import type { SeededRandom } from './seeded.ts';
import type { SimChain } from './sim-chain.ts';
import type { SimClock } from './sim-clock.ts';
import { SimSigner } from './sim-signer.ts';
import type { Owner, Timeline } from './timeline.ts';

const SECRET_BYTES = 32;
const INFO = 'simulated-envelope';
/** Maximum number of envelopes that are remembered so that replays can be refused; the oldest is forgotten first. */
const BURNT_NONCES = 100_000;

/** The current behaviour of the enclave API. */
export interface EnclaveBehaviour {
  delayMs: number;
  /** Share of calls that fail. */
  failShare: number;
  /** Share of calls whose answer is nonsense. */
  garbageShare: number;
  /** Share of calls whose connection has just been closed; the next call opens a new connection. */
  closeShare: number;
}

export const GOOD_ENCLAVE: EnclaveBehaviour = { delayMs: 0, failShare: 0, garbageShare: 0, closeShare: 0 };

export interface SimEnclaveModules {
  readonly timeline: Timeline;
  readonly owner: Owner;
  readonly clock: SimClock;
  readonly random: SeededRandom;
  readonly chain: SimChain;
  readonly behaviour: EnclaveBehaviour;
  readonly onFault: (kind: string) => void;
  /** Called before a message is sealed to a key. */
  readonly onSealing: (plaintext: string, receiver: TeePubkey) => void;
  /** Called when a candidate for the master secret has been drawn. */
  readonly onCandidate: (secret: Uint8Array) => void;
}

export class SimEnclave implements Enclave {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly #walletKey: Uint8Array;
  readonly #signer: SimSigner;
  readonly #keys: P384KeyPair;
  readonly #modules: SimEnclaveModules;
  readonly #pairKeys = new Map<string, KeyObject>();
  readonly #burnt = new Set<string>();
  /** Whether the next call opens a new connection. A new connection is not closed immediately. */
  #isFresh = false;

  /** Draws a new P-384 key. @param walletKey the private key of the wallet, 32 bytes */
  constructor(walletKey: Uint8Array, modules: SimEnclaveModules) {
    this.#walletKey = walletKey;
    this.#signer = new SimSigner(walletKey);
    this.#modules = modules;
    this.wallet = walletOfPrivateKey(walletKey);
    this.#keys = generateP384(modules.random);
    this.teePubkey = this.#keys.publicKeyDer;
  }

  address(signal?: AbortSignal): Promise<Wallet> {
    return this.#call(signal, () => this.wallet);
  }

  publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return this.#call(signal, () => this.teePubkey);
  }

  random(signal?: AbortSignal): Promise<Uint8Array> {
    return this.#call(signal, () => {
      const secret = this.#modules.random.bytes(SECRET_BYTES);
      this.#modules.onCandidate(Uint8Array.from(secret));
      return secret;
    });
  }

  sign(message: string, signal?: AbortSignal): Promise<string> {
    return this.#call(signal, () => this.#signer.sign(message), () => `0x${'11'.repeat(64)}1b`);
  }

  signTransaction(transaction: UnsignedTransaction, signal?: AbortSignal): Promise<SignedTransaction> {
    return this.#call(signal, () => {
      const signed = signTransaction(this.#walletKey, transaction);
      this.#modules.chain.noteSigner(signed.transactionHash, this.wallet);
      return signed;
    });
  }

  encrypt(plaintext: Plaintext, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText> {
    const text = String(plaintext);
    this.#modules.onSealing(text, receiver);
    return this.#call(
      signal,
      () => this.#seal(text, receiver),
      () => ({ senderPubkey: this.teePubkey, nonce: '00'.repeat(12), encryptedData: '00'.repeat(40) }),
    );
  }

  decrypt(sealed: SealedText, signal?: AbortSignal): Promise<string> {
    return this.#call(signal, () => this.#open(sealed), () => 'no JSON at all');
  }

  async #call<T>(signal: AbortSignal | undefined, work: () => T, garbage?: () => T): Promise<T> {
    const { behaviour, random, onFault } = this.#modules;
    if (behaviour.delayMs > 0) {
      onFault('enclave slow');
      await this.#pause(behaviour.delayMs, signal);
    }
    if (random.chance(behaviour.failShare)) {
      onFault('enclave failing');
      throw new DependencyError('enclave', 'unreachable', 'the enclave API cannot be reached');
    }
    if (!this.#isFresh && random.chance(behaviour.closeShare)) {
      onFault('enclave closing');
      this.#isFresh = true;
      throw new DependencyError('enclave', 'unreachable', 'the enclave API closed the connection');
    }
    this.#isFresh = false;
    if (random.chance(behaviour.garbageShare)) {
      onFault('enclave garbage');
      if (garbage !== undefined) return garbage();
      throw new DependencyError('enclave', 'malformed', 'the enclave API answered in an unexpected form');
    }
    return work();
  }

  #seal(plaintext: string, receiver: TeePubkey): SealedText {
    return sealUnder(this.#pairKey(receiver), this.teePubkey, plaintext, this.#modules.random.bytes(AEAD_NONCE_BYTES));
  }

  /** Like the real enclave, answers 400 to a nonce that the same sender has already used, and to an envelope that cannot be opened. */
  #open({ senderPubkey, nonce, encryptedData }: SealedText): string {
    const used = `${nonce} ${senderPubkey.slice(-16)}`;
    if (this.#burnt.has(used)) throw refused('this nonce was seen before');
    this.#burnt.add(used);
    if (this.#burnt.size > BURNT_NONCES) this.#burnt.delete(this.#burnt.values().next().value ?? '');
    const bytes = Buffer.from(nonce, 'hex').subarray(0, AEAD_NONCE_BYTES);
    const opened = bytes.length < AEAD_NONCE_BYTES ? null : aesGcmOpen(this.#pairKey(senderPubkey), bytes, Buffer.from(encryptedData, 'hex'));
    if (opened === null) throw refused('the text does not open');
    return Buffer.from(opened).toString('utf8');
  }

  #pairKey(other: string): KeyObject {
    const known = this.#pairKeys.get(other);
    if (known !== undefined) return known;
    const key = pairKeyOf(this.#keys, other);
    this.#pairKeys.set(other, key);
    return key;
  }

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const event = this.#modules.timeline.after(ms, this.#modules.owner, () => resolve(undefined));
    const onAbort = (): void => {
      this.#modules.timeline.cancel(event);
      reject(new DependencyError('enclave', 'aborted', 'the call was aborted'));
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    return promise;
  }
}

/** @throws DependencyError of the kind `refused` if `other` is not a P-384 key */
function pairKeyOf(keys: P384KeyPair, other: string): KeyObject {
  try {
    return createSecretKey(hkdfSha256(keys.sharedSecret(other), Buffer.alloc(0), INFO, SECRET_BYTES));
  } catch (error) {
    if (error instanceof P384Error) throw refused('this is not a P-384 key');
    throw error;
  }
}

function sealUnder(key: KeyObject, senderPubkey: TeePubkey, plaintext: string, nonce: Uint8Array): SealedText {
  const sealed = aesGcmSeal(key, nonce, Buffer.from(plaintext, 'utf8'));
  return { senderPubkey, nonce: Buffer.from(nonce).toString('hex'), encryptedData: Buffer.from(sealed).toString('hex') };
}

/** Makes an envelope from a sender that has these keys but no enclave. */
export function sealWith(keys: P384KeyPair, receiver: string, plaintext: string, nonce: Uint8Array): SealedText {
  return sealUnder(pairKeyOf(keys, receiver), keys.publicKeyDer, plaintext, nonce);
}

function refused(why: string): DependencyError {
  return new DependencyError('enclave', 'refused', why, { status: 400 });
}
