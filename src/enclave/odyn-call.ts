/**
 * One call of the enclave API over HTTP. It collects the answer's status and, up to a limit, its bytes. It can end without waiting for the
 * API. It uses `dispatch`, since `request` of the same library creates a stream, a signal with listeners and a race of promises, which
 * cost more than the exchange.
 */
import type { Dispatcher } from 'undici';
import { DeadlineError } from '../domain/deadline.ts';
import type { Waiting } from '../domain/deadline-queue.ts';
import { nameOf, tooLargeAnswer, type DependencyCall } from '../domain/dependency-failures.ts';

export interface OdynCallOptions {
  readonly asked: DependencyCall;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  /** The answer contains a secret: its chunks are wiped once they are joined. */
  readonly isSecret: boolean;
}

export class OdynCall implements Waiting, Dispatcher.DispatchHandler {
  /** The HTTP status of the last attempt. */
  status = 0;
  readonly #options: OdynCallOptions;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #controller: Dispatcher.DispatchController | null = null;
  #settle: PromiseWithResolvers<Buffer> | null = null;
  /** Why the call was ended; null if it was not. */
  #ended: Error | null = null;

  constructor(options: OdynCallOptions) {
    this.#options = options;
  }

  /** Makes an attempt, after the previous one has failed. @returns the body @throws the reason given to `end`, or the connection's error */
  send(dispatcher: Dispatcher, request: Dispatcher.DispatchOptions): Promise<Buffer> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    this.#chunks = [];
    this.#bytes = 0;
    this.#controller = null;
    this.#settle = Promise.withResolvers<Buffer>();
    dispatcher.dispatch(request, this);
    return this.#settle.promise;
  }

  /** Ends the call, whether or not it has been sent. */
  end(reason: Error): void {
    this.#ended = reason;
    this.#settle?.reject(reason);
    this.#controller?.abort(reason);
  }

  onDeadline(): void {
    this.end(new DeadlineError(nameOf(this.#options.asked), this.#options.timeoutMs));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#ended !== null) controller.abort(this.#ended);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#options.maxAnswerBytes) this.end(tooLargeAnswer(this.#options.asked, this.#options.maxAnswerBytes));
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#settle?.resolve(this.#whole());
  }

  #whole(): Buffer {
    const chunks = this.#chunks;
    if (chunks.length === 1) return chunks[0]!;
    const whole = Buffer.concat(chunks);
    if (this.#options.isSecret) for (const chunk of chunks) chunk.fill(0);
    return whole;
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settle?.reject(error);
  }
}
