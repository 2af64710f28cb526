/**
 * One call to the enclave API over HTTP, with up to two attempts. The caller can end it without waiting for the API. It is one promise:
 * every derive makes three calls, and an async function for each step of a call would cost more than its HTTP.
 */
import { DeadlineError } from '../domain/deadline.ts';
import { Waiting } from '../domain/deadline-queue.ts';
import { nameOf, noAnswer, tooLargeAnswer, type DependencyCall } from '../domain/dependency-failures.ts';
import type { DependencyError } from '../domain/errors.ts';
import type { Exchange } from './odyn-connection.ts';
import type { OdynConnections } from './odyn-connections.ts';

/** What is the same for all calls of one operation. */
export interface OdynOperationCall {
  readonly asked: DependencyCall;
  /** Whether the call may be sent again after its connection failed. If the API has received the first request, the call runs twice. */
  readonly again: boolean;
  readonly maxAnswerBytes: number;
  /** Reads an answer. @param body is overwritten after the function has returned. @throws DependencyError */
  readonly read: (status: number, body: Buffer) => unknown;
}

export interface OdynCallOptions {
  readonly operation: OdynOperationCall;
  readonly timeoutMs: number;
  /** The request's head. */
  readonly head: string;
  /** The request's body, as in `Exchange`. */
  readonly body: string | readonly Buffer[];
  readonly signal: AbortSignal | undefined;
}

export interface OdynCallModules {
  readonly connections: Pick<OdynConnections, 'send' | 'drop'>;
  /** Called once, when the call has ended. @param failure null if it has succeeded */
  readonly onEnd: (call: OdynCall, failure: DependencyError | null) => void;
}

export class OdynCall extends Waiting implements Exchange {
  readonly head: string;
  readonly body: string | readonly Buffer[];
  readonly maxAnswerBytes: number;
  /** Settles when the call has ended. Rejects with a DependencyError. */
  readonly answer: Promise<unknown>;
  readonly #options: OdynCallOptions;
  readonly #modules: OdynCallModules;
  readonly #onAbort: (() => void) | null = null;
  #resolve!: (answer: unknown) => void;
  #reject!: (error: Error) => void;
  #isSecondAttempt = false;
  #hasEnded = false;

  constructor(options: OdynCallOptions, modules: OdynCallModules) {
    super();
    const { head, body, operation, signal } = options;
    this.head = head;
    this.body = body;
    this.maxAnswerBytes = operation.maxAnswerBytes;
    this.#options = options;
    this.#modules = modules;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (signal === undefined) return;
    this.#onAbort = () => this.#giveUp(signal.reason as Error);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Sends the request, unless the signal is already aborted. */
  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted === true) this.#end(signal.reason as Error);
    else this.#modules.connections.send(this, false);
  }

  onDeadline(): void {
    const { operation, timeoutMs } = this.#options;
    this.#giveUp(new DeadlineError(nameOf(operation.asked), timeoutMs));
  }

  onAnswer(status: number, body: Buffer): void {
    let answer: unknown;
    try {
      answer = this.#options.operation.read(status, body);
    } catch (error) {
      this.onFailure(error as Error);
      return;
    }
    if (!this.#leave()) return;
    this.#resolve(answer);
    this.#modules.onEnd(this, null);
  }

  tooLarge(): Error {
    return tooLargeAnswer(this.#options.operation.asked, this.maxAnswerBytes);
  }

  onFailure(error: Error): void {
    const { asked, again } = this.#options.operation;
    const mayRepeat = again && !this.#isSecondAttempt && !this.#hasEnded && noAnswer(asked, error, false).failure === 'unreachable';
    if (!mayRepeat) {
      this.#end(error);
      return;
    }
    this.#isSecondAttempt = true;
    this.#modules.connections.send(this, true);
  }

  #giveUp(reason: Error): void {
    this.#modules.connections.drop(this);
    this.#end(reason);
  }

  #end(error: Error): void {
    if (!this.#leave()) return;
    const { operation, signal } = this.#options;
    const failure = noAnswer(operation.asked, error, signal?.aborted === true);
    this.#reject(failure);
    this.#modules.onEnd(this, failure);
  }

  /** @returns false if the call has ended before */
  #leave(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    if (this.#onAbort !== null) this.#options.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}
