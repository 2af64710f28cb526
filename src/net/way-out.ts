/** Outgoing connections (protocol.md §7): through the platform's proxies, but directly to hosts that `NO_PROXY` lists. */
import { Agent, Dispatcher, EnvHttpProxyAgent } from 'undici';
import { parseNoProxy, type NoProxy } from '../domain/no-proxy.ts';
import { createConnector } from './address-guard.ts';

/** Maximum number of connections to one peer, or to the RPC, at the same time. */
const CONNECTIONS_PER_PEER = 8;
/** How long an idle connection is kept. Milliseconds. */
const KEEP_ALIVE_MS = 30_000;

/** If there is no proxy for a scheme, connections of that scheme are direct. */
export interface ProxySettings {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** In the syntax of `domain/no-proxy.ts`. */
  readonly noProxy: string;
}

/** @param guarded whether to refuse addresses that an enclave must not reach. @throws Error for an invalid `noProxy` */
export function createDispatcher(proxy: ProxySettings, guarded: boolean): Dispatcher {
  const options = {
    connect: createConnector(guarded),
    connections: CONNECTIONS_PER_PEER,
    keepAliveTimeout: KEEP_ALIVE_MS,
    pipelining: 1,
  };
  const isDirect = parseNoProxy(proxy.noProxy);
  // Missing settings become empty strings, because undici reads the environment for settings that are undefined.
  const proxies = { httpProxy: proxy.httpProxy ?? '', httpsProxy: proxy.httpsProxy ?? '', noProxy: '' };
  return new WayOut(isDirect, { direct: new Agent(options), proxied: new EnvHttpProxyAgent({ ...options, ...proxies }) });
}

class WayOut extends Dispatcher {
  readonly #isDirect: NoProxy;
  readonly #ways: { readonly direct: Dispatcher; readonly proxied: Dispatcher };

  constructor(isDirect: NoProxy, ways: { readonly direct: Dispatcher; readonly proxied: Dispatcher }) {
    super();
    this.#isDirect = isDirect;
    this.#ways = ways;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const way = this.#isDirect(new URL(String(options.origin))) ? this.#ways.direct : this.#ways.proxied;
    return way.dispatch(options, handler);
  }

  override async close(): Promise<void> {
    await Promise.all([this.#ways.direct.close(), this.#ways.proxied.close()]);
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.#ways.direct.destroy(), this.#ways.proxied.destroy()]);
  }
}
