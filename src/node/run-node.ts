/**
 * Runs one node and its HTTP server in this process, and closes their parts in the right order. The command `nova-kms node` handles signals
 * and exit codes.
 */
import { getHeapStatistics } from 'node:v8';
import type { Config } from '../config/settings.ts';
import { within } from '../domain/deadline.ts';
import type { Log } from '../domain/ports.ts';
import { createApp, listenerOf } from '../http/app.ts';
import { measureRequests } from '../http/measure-requests.ts';
import { messageClassesOf } from '../http/message-classes.ts';
import { listen, type HttpServer } from '../http/server.ts';
import { releaseStartMemory } from '../system/start-memory.ts';
import type { ComposedNode } from './compose-node.ts';
import { connectNode } from './connect-node.ts';
import { answerLastRead, endRequests, LAST_PUSH_TIMEOUT_MS, NODE_STOP_TIMEOUT_MS } from './stop-answering.ts';

export interface RunningNode {
  readonly port: number;
  /**
   * Stops ticks, refuses new requests, finishes those under way, pushes this node's writes, wipes the secrets and closes everything. Before
   * the process ends, a reader of the audit log can still fetch the last entries.
   */
  close(): Promise<void>;
}

/** Calls the function once, when the node is ready for the first time. */
function whenReady(node: ComposedNode, onReady: () => void): void {
  const watching = node.actor.subscribe({
    next: () => {
      if (node.readiness().state !== 'ready') return;
      watching.unsubscribe();
      onReady();
    },
    // `composeNode` handles errors of the machine.
    error: () => undefined,
  });
}

/**
 * @param onFatal called when an invariant is broken or the machine fails; the process must then end with a code other than 0
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function runNode(config: Config, log: Log, onFatal: (error: Error) => void): Promise<RunningNode> {
  const connected = await connectNode(config, log, onFatal);
  const { clock, node, odyn, local, visualizer, metered } = connected;
  const meter = metered?.meter;
  let server: HttpServer;
  let listenOn: (port: number) => Promise<HttpServer>;
  try {
    const { host, port } = config.bindAddress;
    const app = createApp(node.appOptions, { ...node.appModules, metrics: metered?.route, attester: odyn });
    const measure = meter === undefined ? undefined : measureRequests(meter, clock);
    const modules = { listener: listenerOf(app), clock, messages: messageClassesOf(app), measure };
    listenOn = (at) => listen({ host, port: at }, modules);
    server = await listenOn(port);
  } catch (error) {
    node.wipe();
    await metered?.close();
    await connected.closeClients();
    throw error;
  }
  // Unlike `process.memoryUsage`, this figure does not need `/proc`, which a container may lack.
  whenReady(node, () => releaseStartMemory(getHeapStatistics().used_heap_size));
  await visualizer?.start(node);
  await metered?.start(node);
  node.start();

  /**
   * Pushes while requests under way finish, because some of them wait for acknowledgements from peers. When all have finished, it also
   * pushes the writes of the last requests.
   */
  const drainAndPush = async (): Promise<void> => {
    const pushing = new AbortController();
    let drained = false;
    const pushed = node.lastPush(() => drained, pushing.signal);
    // A failure of the push is handled below. Until then, it must not count as an unhandled rejection.
    pushed.catch(() => undefined);
    await endRequests(server, { clock, log });
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
      const endsAtMs = clock.monotonicMs() + NODE_STOP_TIMEOUT_MS;
      node.stop();
      visualizer?.noteStopping();
      await drainAndPush();
      const auditRead = await node.endAudit();
      node.wipe();
      local?.wipe();
      const leftMs = endsAtMs - clock.monotonicMs();
      if (auditRead !== null) await answerLastRead(() => listenOn(server.port), auditRead.whenRead, leftMs, { clock, log });
      await visualizer?.close();
      await metered?.close();
      await connected.closeClients();
    },
  };
}
