/**
 * Runs one node in this process: system ports, the composed node and its server. Defines the order in which they are closed. The command
 * line handles signals and exit codes.
 */
import { getHeapStatistics } from 'node:v8';
import { within } from '../domain/deadline.ts';
import { DependencyError } from '../domain/errors.ts';
import { FailureLog } from '../domain/failure-log.ts';
import type { Meter } from '../domain/meter.ts';
import type { Enclave, Log } from '../domain/ports.ts';
import type { Config } from '../config/settings.ts';
import { LocalWallet } from '../enclave/local-wallet.ts';
import { OdynClient } from '../enclave/odyn-client.ts';
import { createApp, listenerOf } from '../http/app.ts';
import { measureRequests } from '../http/measure-requests.ts';
import { messageClassesOf } from '../http/message-classes.ts';
import { listen, type HttpServer } from '../http/server.ts';
import { PeerTransport } from '../net/peer-transport.ts';
import { createRpcFetch } from '../net/rpc-fetch.ts';
import { createAppReader } from '../registry/app-reader.ts';
import { CachedNovaRegistry } from '../registry/cached-nova-registry.ts';
import { ChainClient } from '../registry/chain-client.ts';
import { Rpc } from '../registry/rpc.ts';
import { chainOptions } from './chain-options.ts';
import { composeNode, type ComposedNode } from './compose-node.ts';
import type { MeteredNode } from './metrics.ts';
import type { NodeVisualizer } from './visualize.ts';
import { releaseStartMemory } from '../system/start-memory.ts';
import { systemClock, systemRandom, yieldToRequests } from '../system/system.ts';

/** How long a stopping node waits for requests under way to end. Milliseconds. */
export const DRAIN_TIMEOUT_MS = 10_000;
/** How long a stopping node continues its last push after the requests under way have ended or been cut off. Milliseconds. */
const LAST_PUSH_TIMEOUT_MS = 5_000;

export interface RunningNode {
  readonly port: number;
  /** Stops ticks, refuses new requests, finishes those under way, pushes this node's writes, wipes the secrets and closes everything. */
  close(): Promise<void>;
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

/** Null without `VISUALIZER_PORT`: the modules of the visualiser are then not loaded. */
async function visualizerOf(config: Config, log: Log): Promise<NodeVisualizer | null> {
  const { visualizerPort } = config;
  if (visualizerPort === undefined) return null;
  const { createNodeVisualizer } = await import('./visualize.ts');
  return createNodeVisualizer({ ...config, visualizerPort }, { clock: systemClock, random: systemRandom, log: log.child('visualizer') });
}

/** Null when no one may read metrics: the modules of the metrics are then not loaded. */
async function meteredNodeOf(config: Config, log: Log): Promise<MeteredNode | null> {
  if (config.metricsTokenHash === undefined && (config.metricsPort ?? 0) === 0) return null;
  const { createMeteredNode } = await import('./metrics.ts');
  return createMeteredNode(config, { clock: systemClock, log: log.child('metrics') });
}

/** Calls the function once, when the node is ready for the first time. */
function whenReady(node: ComposedNode, onReady: () => void): void {
  const watching = node.actor.subscribe({
    next: () => {
      if (node.readiness().state !== 'ready') return;
      watching.unsubscribe();
      onReady();
    },
    // The composition root handles errors of the machine.
    error: () => undefined,
  });
}

/**
 * @param onFatal called for a broken invariant or an error of the machine: the process must end with a code other than 0
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function runNode(config: Config, log: Log, onFatal: (error: Error) => void): Promise<RunningNode> {
  const clock = systemClock;
  const proxy = { httpProxy: config.httpProxy, httpsProxy: config.httpsProxy, noProxy: config.noProxy };
  const metered = await meteredNodeOf(config, log);
  const meter = metered?.meter;
  const failures = new FailureLog({ clock, onFault: (where) => meter?.faulted(where) });
  const noting = (room: string, where: string) => (error: DependencyError): void => void failures.note(log.child(room), where, error);
  const odyn = new OdynClient({ baseUrl: config.odynUrl }, { clock, onFailure: noting('enclave', 'a call of the enclave API') });
  const local = config.nodePrivateKey === undefined ? null : new LocalWallet(config.nodePrivateKey, { enclave: odyn });
  const enclave = withExpectedWallet(local ?? odyn, config.nodeWallet);
  const rpcFetch = createRpcFetch(proxy);
  const onTry: Meter['rpcEnded'] = (method, outcome, durationMs) => meter?.rpcEnded(method, outcome, durationMs);
  const rpc = new Rpc({ url: config.nodeUrl }, { clock, fetch: rpcFetch.fetch, onFailure: noting('chain', 'a call of the chain RPC'), onTry });
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

  const closeClients = async (): Promise<void> => {
    await Promise.allSettled([transport.close(), odyn.close(), rpcFetch.close()]);
  };
  let server: HttpServer;
  try {
    const { host, port } = config.bindAddress;
    const app = createApp(node.appOptions, { ...node.appModules, metrics: metered?.route, attester: odyn });
    const measure = meter === undefined ? undefined : measureRequests(meter, clock);
    server = await listen({ host, port }, { listener: listenerOf(app), clock, messages: messageClassesOf(app), measure });
  } catch (error) {
    node.wipe();
    await metered?.close();
    await closeClients();
    throw error;
  }
  // Unlike `process.memoryUsage`, this figure does not need `/proc`, which a container may lack.
  whenReady(node, () => releaseStartMemory(getHeapStatistics().used_heap_size));
  await visualizer?.start(node);
  await metered?.start(node);
  node.start();

  const drain = async (): Promise<void> => {
    try {
      await within(clock, 'the end of requests under way', DRAIN_TIMEOUT_MS, undefined, () => server.drain());
    } catch {
      log.warn('requests under way were cut off');
    }
  };
  /**
   * Pushes while requests under way end, because some of them wait for acknowledgements of peers. When all have ended, the writes of the
   * last requests are pushed too.
   */
  const drainAndPush = async (): Promise<void> => {
    const pushing = new AbortController();
    let drained = false;
    const pushed = node.lastPush(() => drained, pushing.signal);
    // A failure of the push is handled below. Until then, it must not count as an unhandled rejection.
    pushed.catch(() => undefined);
    await drain();
    drained = true;
    try {
      await within(clock, 'the last push', LAST_PUSH_TIMEOUT_MS, undefined, () => pushed);
    } catch {
      log.warn('the last push did not reach every peer');
    }
    pushing.abort(new Error('the node stops'));
  };

  return {
    port: server.port,
    async close() {
      node.stop();
      visualizer?.noteStopping();
      await drainAndPush();
      await node.endAudit();
      server.destroy();
      node.wipe();
      local?.wipe();
      await visualizer?.close();
      await metered?.close();
      await closeClients();
    },
  };
}
