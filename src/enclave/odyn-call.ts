/** One call to the enclave API over HTTP, with up to two attempts. The caller can end it without waiting for the API. */
import { DeadlineError } from '../domain/deadline.ts';
import type { Waiting } from '../domain/deadline-queue.ts';
import { nameOf, tooLargeAnswer, type DependencyCall } from '../domain/dependency-failures.ts';
import type { Exchange } from './odyn-connection.ts';
import type { OdynConnections } from './odyn-connections.ts';

export interface OdynCallOptions<Answer> {
  readonly asked: DependencyCall;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  /** The request's head. */
  readonly head: string;
  /** The request's body, as in `Exchange`. */
  readonly body: string | readonly Buffer[];
  /** Reads an answer. @param body is overwritten after the function has returned. @throws DependencyError */
  readonly read: (status: number, body: Buffer) => Answer;
}

export class OdynCall<Answer> implements Waiting, Exchange {
  readonly head: string;
  readonly body: string | readonly Buffer[];
  readonly maxAnswerBytes: number;
  readonly #options: OdynCallOptions<Answer>;
  #connections: OdynConnections | null = null;
  #settle: PromiseWithResolvers<Answer> | null = null;
  /** Why the call was ended; null if it was not. */
  #ended: Error | null = null;

  constructor(options: OdynCallOptions<Answer>) {
    this.head = options.head;
    this.body = options.body;
    this.maxAnswerBytes = options.maxAnswerBytes;
    this.#options = options;
  }

  /**
   * Makes one attempt. Call it a second time only after the first attempt has failed.
   * @throws the reason given to `end`, the connection's error, or what `read` throws
   */
  send(connections: OdynConnections, onNew: boolean): Promise<Answer> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    this.#connections = connections;
    this.#settle = Promise.withResolvers<Answer>();
    connections.send(this, onNew);
    return this.#settle.promise;
  }

  /** Ends the call, whether or not it has been sent. */
  end(reason: Error): void {
    this.#ended = reason;
    this.#settle?.reject(reason);
    this.#connections?.drop(this);
  }

  onDeadline(): void {
    this.end(new DeadlineError(nameOf(this.#options.asked), this.#options.timeoutMs));
  }

  onAnswer(status: number, body: Buffer): void {
    try {
      this.#settle?.resolve(this.#options.read(status, body));
    } catch (error) {
      this.#settle?.reject(error);
    }
  }

  tooLarge(): Error {
    return tooLargeAnswer(this.#options.asked, this.maxAnswerBytes);
  }

  onFailure(error: Error): void {
    this.#settle?.reject(error);
  }
}
