/**
 * HTTP to peers (protocol.md §10, Where a node connects): through the proxy that the platform gives, without following
 * redirects, with a cap on every answer and a limit on every wait.
 */
import { EnvHttpProxyAgent, request as undiciRequest, type Dispatcher } from 'undici';
import { DeadlineError, within } from '../domain/deadline.ts';
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
    try {
      return await within(this.#clock, 'the peer', request.timeoutMs, request.signal, (signal) => this.#exchange(request, signal));
    } catch (error) {
      if (error instanceof DependencyError) throw error;
      if (request.signal?.aborted === true) throw new DependencyError('peer', 'aborted', 'the request was aborted');
      if (error instanceof DeadlineError) throw new DependencyError('peer', 'timeout', error.message);
      if (error instanceof ForbiddenTargetError) throw new DependencyError('peer', 'refused', error.message);
      const unreachable = new DependencyError('peer', 'unreachable', 'the peer cannot be reached');
      // For whoever looks into it; what is said of a peer does not say more.
      unreachable.cause = error;
      throw unreachable;
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #exchange(request: TransportRequest, signal: AbortSignal): Promise<TransportAnswer> {
    const answer = await undiciRequest(request.url, {
      method: request.method,
      dispatcher: this.#dispatcher,
      signal,
      headers: { ...request.headers },
      headersTimeout: 0,
      bodyTimeout: 0,
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > request.maxAnswerBytes) {
        answer.body.destroy();
        throw new DependencyError('peer', 'too_large', `the peer's answer is longer than ${request.maxAnswerBytes} bytes`);
      }
      chunks.push(chunk);
    }
    return { status: answer.statusCode, headers: flatHeaders(answer.headers), body: Buffer.concat(chunks) };
  }
}

function flatHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}
