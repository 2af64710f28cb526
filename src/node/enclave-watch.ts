/**
 * The enclave API as this node finds it: passes every call on, and remembers whether the API answers, for `/readyz`. One failed call
 * among many is no outage: traffic would be taken from a node that serves.
 */
import { DeadlineError } from '../domain/deadline.ts';
import { DependencyError } from '../domain/errors.ts';
import { describeFailure } from '../domain/failure-facts.ts';
import type { EnclaveFigures } from '../domain/figures.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Enclave, SealedText, SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';

/** Calls in a row that must fail before the API counts as failing. */
const FAILURES_IN_A_ROW = 3;

export class EnclaveWatch implements Enclave {
  readonly #enclave: Enclave;
  #hasAnswered = false;
  #failures = 0;
  #lastFailure: string | null = null;

  constructor(modules: { readonly enclave: Enclave }) {
    this.#enclave = modules.enclave;
  }

  figures(): EnclaveFigures {
    if (this.#failures >= FAILURES_IN_A_ROW || !this.#hasAnswered) return { failing: this.#lastFailure ?? 'the enclave API has not been asked yet' };
    return { failing: null };
  }

  async address(signal?: AbortSignal): Promise<Wallet> {
    return this.#watch(signal, this.#enclave.address(signal));
  }

  async publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return this.#watch(signal, this.#enclave.publicKey(signal));
  }

  async random(signal?: AbortSignal): Promise<Uint8Array> {
    return this.#watch(signal, this.#enclave.random(signal));
  }

  async sign(message: string, signal?: AbortSignal): Promise<string> {
    return this.#watch(signal, this.#enclave.sign(message, signal));
  }

  async signTransaction(transaction: UnsignedTransaction, signal?: AbortSignal): Promise<SignedTransaction> {
    return this.#watch(signal, this.#enclave.signTransaction(transaction, signal));
  }

  async encrypt(plaintext: string, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText> {
    return this.#watch(signal, this.#enclave.encrypt(plaintext, receiver, signal));
  }

  async decrypt(sealed: SealedText, signal?: AbortSignal): Promise<string> {
    return this.#watch(signal, this.#enclave.decrypt(sealed, signal));
  }

  async #watch<Answer>(signal: AbortSignal | undefined, call: Promise<Answer>): Promise<Answer> {
    try {
      const answer = await call;
      this.#noteAnswer();
      return answer;
    } catch (error) {
      const failure = error instanceof DependencyError ? error.failure : null;
      // To refuse is to answer. A call that was called off says nothing, unless that was for its time.
      if (failure === 'refused') this.#noteAnswer();
      else if (signal?.aborted !== true) this.#noteFailure(describeFailure(error));
      else if (signal.reason instanceof DeadlineError) this.#noteFailure(describeFailure(signal.reason));
      throw error;
    }
  }

  #noteAnswer(): void {
    this.#hasAnswered = true;
    this.#failures = 0;
    this.#lastFailure = null;
  }

  #noteFailure(why: string): void {
    this.#failures += 1;
    this.#lastFailure = why;
  }
}
