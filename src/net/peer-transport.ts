/**
 * HTTP requests to peers (protocol.md §10, Where a node connects), through the platform's proxy. Redirects are not followed. Every answer
 * has a size limit, and every request has a timeout.
 */
import { request as undiciRequest, type Dispatcher } from 'undici';
import { readBoundedBody } from '../domain/bounded-body.ts';
import { within } from '../domain/deadline.ts';
import { nameOf, noAnswer, tooLargeAnswer, type DependencyCall } from '../domain/dependency-failures.ts';
import { endpointOf } from '../domain/endpoint.ts';
import { causeCode } from '../domain/failure-facts.ts';
import { DependencyError } from '../domain/errors.ts';
import type { Clock, Transport, TransportAnswer, TransportRequest } from '../domain/ports.ts';
import { ForbiddenTargetError } from './address-guard.ts';
import { createDispatcher, type ProxySettings } from './way-out.ts';

/** Error codes of a request whose connection the peer has closed. */
const CLOSED: ReadonlySet<string | null> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export interface PeerTransportOptions {
  readonly inEnclave: boolean;
  readonly proxy: ProxySettings;
}

export class PeerTransport implements Transport {
  readonly #dispatcher: Dispatcher;
  /** For the second attempt of a GET: this dispatcher opens a new connection for each request. */
  readonly #fresh: Dispatcher;
  readonly #clock: Clock;

  constructor(options: PeerTransportOptions, modules: { readonly clock: Clock }) {
    this.#dispatcher = createDispatcher(options.proxy, options.inEnclave);
    this.#fresh = createDispatcher(options.proxy, options.inEnclave);
    this.#clock = modules.clock;
  }

  async request(request: TransportRequest): Promise<TransportAnswer> {
    const asked: DependencyCall = { dependency: 'peer', endpoint: endpointOf(request.url), call: request.method };
    try {
      return await within(this.#clock, nameOf(asked), request.timeoutMs, request.signal, (signal) => this.#tryTwice(asked, request, signal));
    } catch (error) {
      if (error instanceof ForbiddenTargetError) throw new DependencyError('peer', 'refused', error.message, { ...asked, cause: error });
      throw noAnswer(asked, error, request.signal?.aborted === true);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#dispatcher.destroy(), this.#fresh.destroy()]);
  }

  /** A peer may close a connection at any time, whether it is idle or was just used. A GET changes nothing, so it is tried once more. */
  async #tryTwice(asked: DependencyCall, request: TransportRequest, signal: AbortSignal): Promise<TransportAnswer> {
    try {
      return await this.#exchange(this.#dispatcher, asked, request, signal);
    } catch (error) {
      if (request.method !== 'GET' || signal.aborted || !CLOSED.has(causeCode(error))) throw error;
    }
    return this.#exchange(this.#fresh, asked, request, signal);
  }

  async #exchange(dispatcher: Dispatcher, asked: DependencyCall, request: TransportRequest, signal: AbortSignal): Promise<TransportAnswer> {
    const answer = await undiciRequest(request.url, {
      method: request.method,
      dispatcher,
      // If true, the connection is closed after this request.
      reset: dispatcher === this.#fresh,
      signal,
      headers: { ...request.headers },
      headersTimeout: 0,
      bodyTimeout: 0,
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    const tooLarge = (): Error => tooLargeAnswer(asked, request.maxAnswerBytes);
    const body = await readBoundedBody(answer.body as AsyncIterable<Uint8Array>, request.maxAnswerBytes, tooLarge);
    return { status: answer.statusCode, headers: flatHeaders(answer.headers), body };
  }
}

function flatHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}
