/**
 * An app whose calls arrive as they do on the platform: from a loopback address, so that a node counts them by the wallet of the app. The
 * limits of `WIDE_LIMITS` are checked for each call, but never refuse one.
 */
import { randomBytes } from 'node:crypto';
import { createKmsClient, type KmsClient } from '../src/client/kms-client.ts';
import type { LocalKeys } from '../src/client/options.ts';
import type { Cluster } from '../src/dev/cluster.ts';
import type { Environment } from '../src/dev/cluster-node.ts';
import { KMS_APP_ID } from '../src/dev/dev-chain.ts';
import type { Transport } from '../src/domain/ports.ts';
import { PeerTransport } from '../src/net/peer-transport.ts';
import { systemClock } from '../src/system/system.ts';

/** The largest rate limits that a node accepts. */
export const WIDE_LIMITS: Environment = { RATE_LIMIT_PER_MINUTE: '1000000', NONCE_RATE_LIMIT_PER_MINUTE: '1000000' };
const BENCH_APP_ID = 1_001;
const APP_URL = 'http://127.0.0.1:9';

/** @param reroute URLs that replace the registered URLs, so that the app's calls bypass the proxies that count traffic between nodes */
export async function createBenchApp(cluster: Cluster, reroute: ReadonlyMap<string, string> = new Map(), appId = BENCH_APP_ID): Promise<KmsClient> {
  const client = connectBenchApp(cluster, drawKeys(), { reroute });
  await registerBenchApp(cluster, client, appId);
  return client;
}

export async function registerBenchApp(cluster: Cluster, client: KmsClient, appId: number): Promise<void> {
  await cluster.chain.createApp(appId);
  await cluster.chain.register({ ...(await client.identity()), appId, url: APP_URL });
  await cluster.mineConfirmations();
}

export function drawKeys(): LocalKeys {
  return { privateKey: randomBytes(32).toString('hex'), teeScalar: `00${randomBytes(47).toString('hex')}` };
}

export interface BenchClientOptions {
  readonly reroute?: ReadonlyMap<string, string>;
  /**
   * `next`: each answer carries the nonce for the next request. `fetched`: the client sends `GET /nonce` before each request, like older
   * clients. Default: fetched.
   */
  readonly nonces?: 'next' | 'fetched';
}

/** The client of an app that is registered with these keys. */
export function connectBenchApp(cluster: Cluster, identity: LocalKeys, options: BenchClientOptions = {}): KmsClient {
  const chain = { rpcUrl: cluster.chain.url };
  return createKmsClient({ registry: cluster.chain.novaAppRegistry, appId: KMS_APP_ID, chain, identity, inEnclave: false }, { transport: callers(options) });
}

function callers({ reroute = new Map(), nonces = 'fetched' }: BenchClientOptions): Transport & { close(): Promise<void> } {
  const transport = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
  return {
    request: (request) => {
      const { origin } = new URL(request.url);
      const url = (reroute.get(origin) ?? origin) + request.url.slice(origin.length);
      // A node sends a next nonce only if the request has this header.
      const headers = Object.entries(request.headers ?? {}).filter(([name]) => nonces === 'next' || name !== 'x-nova-next-nonce');
      return transport.request({ ...request, url, headers: Object.fromEntries(headers) });
    },
    close: () => transport.close(),
  };
}
