/**
 * What an enclave does, apart from HTTP (protocol.md §7): one secp256k1 wallet, one P-384 key that is new at each start, and a
 * memory of used (key, nonce) pairs. For development and tests only.
 */
import { encode } from 'cborg';
import { LRUCache } from 'lru-cache';
import { EnvelopeError, openText, sealText } from '../../crypto/envelope.ts';
import { generateP384, P384Error, p384FromScalar, type P384KeyPair } from '../../crypto/p384.ts';
import { isPrivateKey, publicKeyOfPrivateKey, signatureText, signEip191, walletOfPrivateKey } from '../../crypto/signature.ts';
import type { TeePubkey, Wallet } from '../../domain/ids.ts';
import type { Clock, Random, SealedText, SignedTransaction } from '../../domain/ports.ts';
import type { SignableTransaction } from '../transaction.ts';
import { firstV } from '../../crypto/generation.ts';

/** Maximum number of (client key, nonce) pairs remembered to refuse replays, for all clients together. The oldest is forgotten first. */
const BURNT_NONCES = 4_096;
/** Length of an AES-GCM tag in hex digits. No ciphertext is shorter. */
const TAG_DIGITS = 32;

export interface AttestationFields {
  readonly nonce?: Uint8Array | undefined;
  /** Used instead of the enclave's own key. */
  readonly publicKey?: TeePubkey | undefined;
  readonly userData?: Readonly<Record<string, unknown>> | undefined;
}

/** A call was refused. The server answers such a call with 400. */
export class EmulatorRefusal extends Error {}

/** Refuses the call when signing fails: the caller sent an invalid transaction, such as one with a tip above its maximum fee. */
function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch {
    throw new EmulatorRefusal('the transaction cannot be signed');
  }
}

export interface EmulatedEnclaveOptions {
  /** Envelope info string, which identifies the platform's generation. */
  readonly info: string;
  /** 32 bytes; random when absent. */
  readonly walletKey?: Uint8Array;
  /** 48 bytes in hex, for fixed vectors; random when absent. */
  readonly teeScalar?: string;
}

export class EmulatedEnclave {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly #info: string;
  readonly #walletKey: Uint8Array;
  readonly #keys: P384KeyPair;
  readonly #random: Random;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #burnt = new LRUCache<string, true>({ max: BURNT_NONCES });

  constructor(options: EmulatedEnclaveOptions, modules: { readonly random: Random; readonly clock: Pick<Clock, 'nowMs'> }) {
    this.#random = modules.random;
    this.#clock = modules.clock;
    this.#info = options.info;
    this.#walletKey = options.walletKey ?? this.#drawWalletKey();
    if (!isPrivateKey(this.#walletKey)) throw new EmulatorRefusal('the wallet key is not a secp256k1 key');
    this.wallet = walletOfPrivateKey(this.#walletKey);
    this.#keys = options.teeScalar === undefined ? generateP384(this.#random) : p384FromScalar(options.teeScalar);
    this.teePubkey = this.#keys.publicKeyDer;
  }

  get walletPublicKey(): string {
    return `0x${Buffer.from(publicKeyOfPrivateKey(this.#walletKey)).toString('hex')}`;
  }

  get teePubkeyPem(): string {
    const base64 = Buffer.from(this.teePubkey, 'hex').toString('base64');
    return `-----BEGIN PUBLIC KEY-----\n${base64.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PUBLIC KEY-----\n`;
  }

  random32(): Uint8Array {
    return this.#random.bytes(32);
  }

  sign(message: string): string {
    return signEip191(this.#walletKey, message, firstV(this.#info));
  }

  /** The `signature` has 65 bytes, written as `0x` and hex. @throws EmulatorRefusal when the transaction cannot be signed */
  async signTransaction(transaction: SignableTransaction): Promise<SignedTransaction & { readonly signature: string }> {
    const { signTransaction } = await import('../transaction.ts');
    const { signature, ...signed } = refusing(() => signTransaction(this.#walletKey, transaction));
    return { ...signed, signature: signatureText(signature, firstV(this.#info)) };
  }

  encrypt(plaintext: string, receiver: TeePubkey): SealedText {
    try {
      return sealText(this.#keys, receiver, plaintext, this.#random.bytes(12), this.#info);
    } catch (error) {
      if (error instanceof P384Error) throw new EmulatorRefusal('client_public_key is not a P-384 key');
      throw error;
    }
  }

  /**
   * Notes the (key, nonce) pair as used before it decrypts, so a second attempt with this pair is refused even if the first attempt failed.
   */
  decrypt(sealed: SealedText): string {
    const pair = `${sealed.senderPubkey} ${sealed.nonce.slice(0, 24)}`;
    if (this.#burnt.has(pair)) throw new EmulatorRefusal('this nonce was seen before');
    this.#burnt.set(pair, true);
    if (sealed.encryptedData.length < TAG_DIGITS) throw new EmulatorRefusal('encrypted_data is too short');
    try {
      return openText(this.#keys, sealed, this.#info);
    } catch (error) {
      if (error instanceof EnvelopeError) throw new EmulatorRefusal(error.message);
      throw error;
    }
  }

  /** A CBOR document in the form of an attestation, marked as emulated. */
  attestation({ nonce, publicKey = this.teePubkey, userData = {} }: AttestationFields): Uint8Array {
    return encode({
      module_id: 'nova-kms-emulator',
      emulated: true,
      timestamp: this.#clock.nowMs(),
      public_key: Buffer.from(publicKey, 'hex'),
      user_data: Buffer.from(JSON.stringify({ ...userData, eth_addr: this.wallet })),
      nonce: nonce ?? null,
    });
  }

  #drawWalletKey(): Uint8Array {
    for (;;) {
      const key = this.#random.bytes(32);
      if (isPrivateKey(key)) return key;
    }
  }
}
