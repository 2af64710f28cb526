/**
 * Holds the app's keys in this process, for development. It does what the enclave API does for an app in an enclave (protocol.md §7), and
 * refuses a second envelope with the same sender and nonce.
 */
import { inspect } from 'node:util';
import { LRUCache } from 'lru-cache';
import { ENVELOPE_INFO, EnvelopeError, openText, sealText } from '../crypto/envelope.ts';
import { firstV } from '../crypto/generation.ts';
import { generateP384, P384Error, p384FromScalar, type P384KeyPair } from '../crypto/p384.ts';
import { isPrivateKey, signEip191, walletOfPrivateKey } from '../crypto/signature.ts';
import { DependencyError } from '../domain/errors.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Random, SealedText } from '../domain/ports.ts';
import type { ClientIdentity, LocalKeys } from './options.ts';

/** Maximum number of (sender, nonce) pairs that are remembered to detect a replay; the oldest is dropped first. */
const BURNT_NONCES = 10_000;
const ENVELOPE_NONCE_BYTES = 12;

function keyBytes(key: Uint8Array | string): Uint8Array {
  return typeof key === 'string' ? Uint8Array.from(Buffer.from(key.replace(/^0x/, ''), 'hex')) : Uint8Array.from(key);
}

export class LocalIdentity implements ClientIdentity {
  readonly #privateKey: Uint8Array;
  readonly #keys: P384KeyPair;
  readonly #info: string;
  readonly #random: Random;
  readonly #burnt = new LRUCache<string, true>({ max: BURNT_NONCES });

  /** @throws TypeError when a key is not valid */
  constructor(keys: LocalKeys, modules: { readonly random: Random }) {
    this.#privateKey = keyBytes(keys.privateKey);
    if (!isPrivateKey(this.#privateKey)) throw new TypeError('identity.privateKey is not a secp256k1 key');
    try {
      this.#keys = keys.teeScalar === undefined ? generateP384(modules.random) : p384FromScalar(keyBytes(keys.teeScalar));
    } catch {
      throw new TypeError('identity.teeScalar is not a P-384 scalar');
    }
    this.#info = ENVELOPE_INFO[keys.envelope ?? 'capsule'];
    this.#random = modules.random;
  }

  async address(): Promise<Wallet> {
    return walletOfPrivateKey(this.#privateKey);
  }

  async publicKey(): Promise<TeePubkey> {
    return this.#keys.publicKeyDer;
  }

  async sign(message: string): Promise<string> {
    return signEip191(this.#privateKey, message, firstV(this.#info));
  }

  async encrypt(plaintext: string, receiver: TeePubkey): Promise<SealedText> {
    try {
      return sealText(this.#keys, receiver, plaintext, this.#random.bytes(ENVELOPE_NONCE_BYTES), this.#info);
    } catch (error) {
      if (error instanceof P384Error) throw new DependencyError('enclave', 'refused', 'the key of the receiver is not a P-384 key');
      throw error;
    }
  }

  async decrypt(sealed: SealedText): Promise<string> {
    const pair = `${sealed.senderPubkey} ${sealed.nonce.slice(0, 2 * ENVELOPE_NONCE_BYTES)}`;
    if (this.#burnt.has(pair)) throw new DependencyError('enclave', 'refused', 'this envelope has already been opened');
    this.#burnt.set(pair, true);
    try {
      return openText(this.#keys, sealed, this.#info);
    } catch (error) {
      if (error instanceof EnvelopeError) throw new DependencyError('enclave', 'refused', error.message);
      throw error;
    }
  }

  wipe(): void {
    this.#privateKey.fill(0);
    this.#keys.wipe();
  }

  toJSON(): string {
    return '[local identity]';
  }

  [inspect.custom](): string {
    return '[local identity]';
  }
}
