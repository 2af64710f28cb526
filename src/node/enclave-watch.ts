/**
 * Passes every call on to the enclave API, and remembers for `/readyz` whether the API answers. One failed call among many is not an
 * outage: reporting it would take traffic away from a node that can answer requests.
 */
import { DeadlineError } from '../domain/deadline.ts';
import { DependencyError, type DependencyFailure } from '../domain/errors.ts';
import { describeFailure } from '../domain/failure-facts.ts';
import type { EnclaveFigures } from '../domain/figures.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Meter } from '../domain/meter.ts';
import type { Clock, Enclave, Plaintext, SealedText, SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';

/** Number of consecutive failed calls after which the API counts as failing. */
const FAILURES_IN_A_ROW = 3;

export interface EnclaveWatchModules {
  readonly enclave: Enclave;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Called when a call has ended. */
  readonly meter?: Pick<Meter, 'enclaveEnded'> | undefined;
}

export class EnclaveWatch implements Enclave {
  readonly #enclave: Enclave;
  readonly #modules: EnclaveWatchModules;
  #hasAnswered = false;
  #failures = 0;
  #lastFailure: string | null = null;

  constructor(modules: EnclaveWatchModules) {
    this.#modules = modules;
    this.#enclave = modules.enclave;
  }

  figures(): EnclaveFigures {
    if (this.#failures >= FAILURES_IN_A_ROW || !this.#hasAnswered) return { failing: this.#lastFailure ?? 'the enclave API has not answered a call yet' };
    return { failing: null };
  }

  address(signal?: AbortSignal): Promise<Wallet> {
    return this.#watch('address', signal, this.#enclave.address(signal));
  }

  publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return this.#watch('publicKey', signal, this.#enclave.publicKey(signal));
  }

  random(signal?: AbortSignal): Promise<Uint8Array> {
    return this.#watch('random', signal, this.#enclave.random(signal));
  }

  sign(message: string, signal?: AbortSignal): Promise<string> {
    return this.#watch('sign', signal, this.#enclave.sign(message, signal));
  }

  signTransaction(transaction: UnsignedTransaction, signal?: AbortSignal): Promise<SignedTransaction> {
    return this.#watch('signTransaction', signal, this.#enclave.signTransaction(transaction, signal));
  }

  encrypt(plaintext: Plaintext, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText> {
    return this.#watch('encrypt', signal, this.#enclave.encrypt(plaintext, receiver, signal));
  }

  decrypt(sealed: SealedText, signal?: AbortSignal): Promise<string> {
    return this.#watch('decrypt', signal, this.#enclave.decrypt(sealed, signal));
  }

  async #watch<Answer>(operation: keyof Enclave, signal: AbortSignal | undefined, call: Promise<Answer>): Promise<Answer> {
    const { clock, meter } = this.#modules;
    const startedMs = clock.monotonicMs();
    try {
      const answer = await call;
      this.#noteAnswer();
      meter?.enclaveEnded(operation, 'ok', clock.monotonicMs() - startedMs);
      return answer;
    } catch (error) {
      const outcome = outcomeOf(error, signal);
      meter?.enclaveEnded(operation, outcome, clock.monotonicMs() - startedMs);
      // A refusal is an answer. A cancelled call counts as neither an answer nor a failure.
      if (outcome === 'refused') this.#noteAnswer();
      else if (outcome !== 'aborted') this.#noteFailure(describeFailure(outcome === 'timeout' && signal?.aborted === true ? signal.reason : error));
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

/** A call that was aborted at its deadline has failed (`timeout`). A call that was aborted for any other reason has not failed. */
function outcomeOf(error: unknown, signal: AbortSignal | undefined): DependencyFailure {
  if (signal?.aborted === true) return signal.reason instanceof DeadlineError ? 'timeout' : 'aborted';
  return error instanceof DependencyError ? error.failure : 'malformed';
}
