/**
 * HTTP to peers (protocol.md §10, Where a node connects): through the proxy that the platform gives, without following
 * redirects, with a cap on every answer and a limit on every wait.
 */
import { EnvHttpProxyAgent, request as undiciRequest, type Dispatcher } from 'undici';
import { readBoundedBody } from '../domain/bounded-body.ts';
import { within } from '../domain/deadline.ts';
import { nameOf, noAnswer, tooLargeAnswer, type DependencyCall } from '../domain/dependency-failures.ts';
import { endpointOf } from '../domain/endpoint.ts';
import { DependencyError } from '../domain/errors.ts';
import type { Clock, Transport, TransportAnswer, TransportRequest } from '../domain/ports.ts';
import { createConnector, ForbiddenTargetError } from './address-guard.ts';

/** Connections per peer at once. */
const CONNECTIONS_PER_PEER = 8;
/** How long an idle connection is kept. Milliseconds. */
const KEEP_ALIVE_MS = 30_000;

/** The platform's way out (protocol.md §7). Absent: direct. */
export interface ProxySettings {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  readonly noProxy: string;
}

export interface PeerTransportOptions {
  readonly inEnclave: boolean;
  readonly proxy: ProxySettings;
}

/** A dispatcher behind the proxy settings. Empty texts keep undici from reading the environment itself. */
export function createDispatcher(proxy: ProxySettings, guarded: boolean): Dispatcher {
  return new EnvHttpProxyAgent({
    httpProxy: proxy.httpProxy ?? '',
    httpsProxy: proxy.httpsProxy ?? '',
    noProxy: proxy.noProxy,
    connect: createConnector(guarded),
    connections: CONNECTIONS_PER_PEER,
    keepAliveTimeout: KEEP_ALIVE_MS,
    pipelining: 1,
  });
}

export class PeerTransport implements Transport {
  readonly #dispatcher: Dispatcher;
  readonly #clock: Clock;

  constructor(options: PeerTransportOptions, modules: { readonly clock: Clock }) {
    this.#dispatcher = createDispatcher(options.proxy, options.inEnclave);
    this.#clock = modules.clock;
  }

  async request(request: TransportRequest): Promise<TransportAnswer> {
    const asked: DependencyCall = { dependency: 'peer', endpoint: endpointOf(request.url), call: request.method };
    try {
      return await within(this.#clock, nameOf(asked), request.timeoutMs, request.signal, (signal) => this.#exchange(asked, request, signal));
    } catch (error) {
      if (error instanceof ForbiddenTargetError) throw new DependencyError('peer', 'refused', error.message, { ...asked, cause: error });
      throw noAnswer(asked, error, request.signal?.aborted === true);
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #exchange(asked: DependencyCall, request: TransportRequest, signal: AbortSignal): Promise<TransportAnswer> {
    const answer = await undiciRequest(request.url, {
      method: request.method,
      dispatcher: this.#dispatcher,
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
