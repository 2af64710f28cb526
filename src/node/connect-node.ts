/**
 * A composed node and the system ports that it uses in this process: clock, randomness, enclave API, chain RPC, peers, metrics and
 * visualiser. Nothing has been started yet, and no port is open.
 */
import type { Config } from '../config/settings.ts';
import { DependencyError } from '../domain/errors.ts';
import { FailureLog } from '../domain/failure-log.ts';
import type { Meter } from '../domain/meter.ts';
import type { Clock, Enclave, Log } from '../domain/ports.ts';
import { LocalWallet } from '../enclave/local-wallet.ts';
import { OdynClient } from '../enclave/odyn-client.ts';
import { PeerTransport } from '../net/peer-transport.ts';
import { createRpcFetch } from '../net/rpc-fetch.ts';
import { createAppReader } from '../registry/app-reader.ts';
import { CachedNovaRegistry } from '../registry/cached-nova-registry.ts';
import { ChainClient } from '../registry/chain-client.ts';
import { Rpc } from '../registry/rpc.ts';
import { systemClock, systemRandom, yieldToRequests } from '../system/system.ts';
import { chainOptions } from './chain-options.ts';
import { composeNode, type ComposedNode } from './compose-node.ts';
import type { MeteredNode } from './metrics.ts';
import type { NodeVisualizer } from './visualize.ts';

export interface ConnectedNode {
  readonly clock: Clock;
  readonly node: ComposedNode;
  readonly odyn: OdynClient;
  /** Signs with `NODE_PRIVATE_KEY` instead of the enclave's key; null if that variable is not set. */
  readonly local: LocalWallet | null;
  readonly visualizer: NodeVisualizer | null;
  readonly metered: MeteredNode | null;
  /** Closes the connections to the peers, the enclave API and the chain RPC. */
  closeClients(): Promise<void>;
}

/** Refuses any wallet other than `NODE_WALLET`, if that is set. */
function withExpectedWallet(enclave: Enclave, expected: Config['nodeWallet']): Enclave {
  if (expected === undefined) return enclave;
  return {
    address: async (signal) => {
      const wallet = await enclave.address(signal);
      if (wallet !== expected) throw new DependencyError('enclave', 'malformed', 'the wallet is not NODE_WALLET');
      return wallet;
    },
    publicKey: (signal) => enclave.publicKey(signal),
    random: (signal) => enclave.random(signal),
    sign: (message, signal) => enclave.sign(message, signal),
    signTransaction: (transaction, signal) => enclave.signTransaction(transaction, signal),
    encrypt: (plaintext, receiver, signal) => enclave.encrypt(plaintext, receiver, signal),
    decrypt: (sealed, signal) => enclave.decrypt(sealed, signal),
  };
}

/** Null without `VISUALIZER_PORT`; the visualiser's modules are then not loaded. */
async function visualizerOf(config: Config, log: Log): Promise<NodeVisualizer | null> {
  const { visualizerPort } = config;
  if (visualizerPort === undefined) return null;
  const { createNodeVisualizer } = await import('./visualize.ts');
  return createNodeVisualizer({ ...config, visualizerPort }, { clock: systemClock, random: systemRandom, log: log.child('visualizer') });
}

/** Null if no one may read metrics; the modules for metrics are then not loaded. */
async function meteredNodeOf(config: Config, log: Log): Promise<MeteredNode | null> {
  if (config.metricsTokenHash === undefined && (config.metricsPort ?? 0) === 0) return null;
  const { createMeteredNode } = await import('./metrics.ts');
  return createMeteredNode(config, { clock: systemClock, log: log.child('metrics') });
}

/** @param onFatal called when an invariant is broken or the machine fails; the process must then end with a code other than 0 */
export async function connectNode(config: Config, log: Log, onFatal: (error: Error) => void): Promise<ConnectedNode> {
  const clock = systemClock;
  const proxy = { httpProxy: config.httpProxy, httpsProxy: config.httpsProxy, noProxy: config.noProxy };
  const metered = await meteredNodeOf(config, log);
  const meter = metered?.meter;
  const failures = new FailureLog({ clock, onFault: (where) => meter?.faulted(where) });
  const noting = (room: string, where: string) => (error: DependencyError): void => void failures.note(log.child(room), where, error);
  const odyn = new OdynClient({ baseUrl: config.odynUrl }, { clock, onFailure: noting('enclave', 'a call to the enclave API') });
  const local = config.nodePrivateKey === undefined ? null : new LocalWallet(config.nodePrivateKey, { enclave: odyn });
  const enclave = withExpectedWallet(local ?? odyn, config.nodeWallet);
  const rpcFetch = createRpcFetch(proxy);
  const onTry: Meter['rpcEnded'] = (method, outcome, durationMs) => meter?.rpcEnded(method, outcome, durationMs);
  const rpc = new Rpc({ url: config.nodeUrl }, { clock, fetch: rpcFetch.fetch, onFailure: noting('chain', 'a call to the chain RPC'), onTry });
  const chain = new ChainClient(chainOptions(config), { rpc, clock, enclave, log: log.child('chain') });
  const reader = createAppReader({ novaAppRegistry: config.novaAppRegistry }, { rpc });
  const appRegistry = new CachedNovaRegistry({ ttlMs: config.registryCacheTtlMs }, { reader, clock });
  const transport = new PeerTransport({ inEnclave: config.inEnclave, proxy }, { clock });
  const visualizer = await visualizerOf(config, log);
  const node = composeNode(
    config,
    { clock, random: systemRandom, log, failures, chain, appRegistry, enclave, transport, yieldNow: yieldToRequests, meter },
    onFatal,
    visualizer ?? undefined,
  );

  return {
    clock,
    node,
    odyn,
    local,
    visualizer,
    metered,
    async closeClients() {
      await Promise.allSettled([transport.close(), odyn.close(), rpcFetch.close()]);
    },
  };
}
