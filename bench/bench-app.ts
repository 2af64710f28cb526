/**
 * An app whose calls each come from a different address, like the calls of many instances. The default rate limits apply to each address,
 * so they do not slow down a benchmark. The nodes treat this process as a trusted proxy.
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

/** With these settings, the nodes of a benchmark accept the client addresses that this process sends in its requests. */
export const TRUSTING: Environment = { TRUSTED_PROXIES: '127.0.0.1' };
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
  return createKmsClient({ registry: cluster.chain.novaAppRegistry, appId: KMS_APP_ID, chain, identity, inEnclave: false }, { transport: manyClients(options) });
}

function manyClients({ reroute = new Map(), nonces = 'fetched' }: BenchClientOptions): Transport & { close(): Promise<void> } {
  const transport = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
  let calls = 0;
  return {
    request: (request) => {
      calls += 1;
      const { origin } = new URL(request.url);
      const url = (reroute.get(origin) ?? origin) + request.url.slice(origin.length);
      const address = `10.${(calls >> 16) & 255}.${(calls >> 8) & 255}.${calls & 255}`;
      // A node sends a next nonce only if the request has this header.
      const headers = Object.entries(request.headers ?? {}).filter(([name]) => nonces === 'next' || name !== 'x-nova-next-nonce');
      return transport.request({ ...request, url, headers: { ...Object.fromEntries(headers), 'x-forwarded-for': address } });
    },
    close: () => transport.close(),
  };
}
