/**
 * `fetch` for the chain's RPC: behind the platform's proxy, but direct to loopback, where the light client lives. A redirect is
 * not followed: it is the answer, and `registry` names it.
 */
import { fetch as undiciFetch, type RequestInit } from 'undici';
import { createDispatcher, type ProxySettings } from './way-out.ts';

const LOOPBACK = 'localhost,127.0.0.0/8,[::1]';

export interface RpcFetch {
  readonly fetch: typeof globalThis.fetch;
  close(): Promise<void>;
}

export function createRpcFetch(proxy: ProxySettings): RpcFetch {
  const noProxy = proxy.noProxy === '' ? LOOPBACK : `${proxy.noProxy},${LOOPBACK}`;
  const dispatcher = createDispatcher({ ...proxy, noProxy }, false);
  const direct = (input: Parameters<typeof undiciFetch>[0], init?: RequestInit) =>
    undiciFetch(input, { ...init, dispatcher, redirect: 'manual' });
  return { fetch: direct as unknown as typeof globalThis.fetch, close: () => dispatcher.destroy() };
}
