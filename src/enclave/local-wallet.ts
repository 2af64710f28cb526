/**
 * Development only (`NODE_PRIVATE_KEY`): an enclave whose wallet key is in this process. Envelopes and randomness still come from
 * the enclave API.
 */
import { inspect } from 'node:util';
import { signEip191, walletOfPrivateKey } from '../crypto/signature.ts';
import { DependencyError } from '../domain/errors.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Enclave, SealedText, SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';

export class LocalWallet implements Enclave {
  readonly #privateKey: Uint8Array;
  readonly #enclave: Enclave;

  /** @param privateKey 32 bytes; copied, then wiped */
  constructor(privateKey: Uint8Array, modules: { readonly enclave: Enclave }) {
    this.#privateKey = Uint8Array.from(privateKey);
    privateKey.fill(0);
    this.#enclave = modules.enclave;
  }

  async address(): Promise<Wallet> {
    return walletOfPrivateKey(this.#privateKey);
  }

  /** The v of the signature is 0 or 1, as in the enclave API, because the platform's client accepts no other value (protocol.md §7). */
  async sign(message: string): Promise<string> {
    return signEip191(this.#privateKey, message, 0);
  }

  async signTransaction(transaction: UnsignedTransaction): Promise<SignedTransaction> {
    const { signTransaction } = await import('./transaction.ts');
    try {
      const { rawTransaction, transactionHash } = signTransaction(this.#privateKey, transaction);
      return { rawTransaction, transactionHash };
    } catch (error) {
      // The enclave API refuses such a transaction too. The cause may be a wrong value from the chain, such as the chain id.
      throw new DependencyError('enclave', 'refused', 'the transaction cannot be signed', { call: 'sign-tx', cause: error });
    }
  }

  async publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return this.#enclave.publicKey(signal);
  }

  async random(signal?: AbortSignal): Promise<Uint8Array> {
    return this.#enclave.random(signal);
  }

  async encrypt(plaintext: string, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText> {
    return this.#enclave.encrypt(plaintext, receiver, signal);
  }

  async decrypt(sealed: SealedText, signal?: AbortSignal): Promise<string> {
    return this.#enclave.decrypt(sealed, signal);
  }

  wipe(): void {
    this.#privateKey.fill(0);
  }

  toJSON(): string {
    return '[local wallet]';
  }

  [inspect.custom](): string {
    return '[local wallet]';
  }
}
