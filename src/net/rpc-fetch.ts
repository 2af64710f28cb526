/**
 * `fetch` for the chain's RPC: behind the platform's proxy, but direct to loopback, where the light client lives. A redirect is
 * not followed: it is the answer, and `registry` names it. It has as much of `fetch` as the RPC needs: a whole one brings streams,
 * forms and caches of the browser, some MiB of memory.
 */
import { request } from 'undici';
import type { Fetch } from '../domain/ports.ts';
import { createDispatcher, type ProxySettings } from './way-out.ts';

const LOOPBACK = 'localhost,127.0.0.0/8,[::1]';
/** Some providers refuse a request that does not say who asks; an answer that is packed would not be read. */
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
