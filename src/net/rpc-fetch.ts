/**
 * A small `fetch` for the chain's RPC. It uses the platform's proxy, but connects directly to loopback, where the light client runs. It
 * does not follow a redirect but returns it as the answer, and `registry` reports it. A complete `fetch` takes several MiB of memory for
 * browser features such as streams, forms and caches, so this one has only what the RPC needs.
 */
import { request } from 'undici';
import type { Fetch } from '../domain/ports.ts';
import { createDispatcher, type ProxySettings } from './way-out.ts';

const LOOPBACK = 'localhost,127.0.0.0/8,[::1]';
/** Some providers refuse requests without a user agent. Answers must not be compressed, because nothing here decompresses them. */
const HEADERS = { 'user-agent': 'nova-kms-node', accept: '*/*', 'accept-encoding': 'identity' };

export interface RpcFetch {
  readonly fetch: Fetch;
  close(): Promise<void>;
}

export function createRpcFetch(proxy: ProxySettings): RpcFetch {
  const noProxy = proxy.noProxy === '' ? LOOPBACK : `${proxy.noProxy},${LOOPBACK}`;
  const dispatcher = createDispatcher({ ...proxy, noProxy }, false);
  const fetch: Fetch = async (url, { method, headers: given, body: sent, signal = null }) => {
    const { statusCode, headers, body } = await request(url, { dispatcher, method, headers: { ...HEADERS, ...given }, body: sent, signal });
    return { status: statusCode, headers: { get: (name) => first(headers[name.toLowerCase()]) }, body, text: () => body.text() };
  };
  return { fetch, close: () => dispatcher.destroy() };
}

function first(values: string | readonly string[] | undefined): string | null {
  return (typeof values === 'string' ? values : values?.[0]) ?? null;
}
