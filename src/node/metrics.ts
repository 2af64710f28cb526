/**
 * Connects the metrics to one node. A node loads this module only if someone may read the metrics (`METRICS_TOKEN_SHA256`,
 * `METRICS_PORT`), so other nodes need no memory for metrics.
 */
import process from 'node:process';
import type { Config } from '../config/settings.ts';
import type { Meter } from '../domain/meter.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { LastTick } from '../domain/readiness.ts';
import type { MetricsModules } from '../http/metrics-route.ts';
import { serveMetrics } from '../observe/metrics/loopback-server.ts';
import { NodeMetrics, type NodeFigures } from '../observe/metrics/node-metrics.ts';
import { ProcessWatch } from '../observe/metrics/process-figures.ts';
import { PACKAGE_VERSION } from './package-version.ts';
import type { ComposedNode } from './compose-node.ts';

export interface MeteredNode {
  readonly meter: Meter;
  /** The modules of the route `/metrics` on the main port; undefined without `METRICS_TOKEN_SHA256`. */
  readonly route: MetricsModules | undefined;
  /** Must be called before the node is started. If the port `METRICS_PORT` is already in use, the node runs without a port for metrics. */
  start(node: ComposedNode): Promise<void>;
  close(): Promise<void>;
}

export function createMeteredNode(config: Config, { clock, log }: { readonly clock: Pick<Clock, 'nowMs'>; readonly log: Log }): MeteredNode {
  const watch = new ProcessWatch(clock.nowMs());
  let node: ComposedNode | null = null;
  const metrics = new NodeMetrics(
    { version: PACKAGE_VERSION, nodeVersion: process.versions.node },
    { process: () => watch.read(), figures: () => (node === null ? null : figuresOf(config, node, clock.nowMs())) },
  );
  const { metricsTokenHash, metricsPort } = config;
  const closers: (() => Promise<void> | void)[] = [() => watch.close()];
  return {
    meter: metrics,
    route: metricsTokenHash === undefined ? undefined : { tokenHash: metricsTokenHash, contentType: metrics.contentType, render: async () => metrics.render() },
    async start(started) {
      node = started;
      const ticks = started.actor.subscribe(ofTicks((tick) => metrics.tickEnded(tick)));
      closers.push(() => ticks.unsubscribe());
      if (metricsPort === undefined || metricsPort === 0) return;
      try {
        const server = await serveMetrics(metricsPort, metrics);
        closers.push(() => server.close());
        log.info('metrics listening', { port: server.port });
      } catch (error) {
        log.error('the port for metrics cannot be opened', { port: metricsPort, code: (error as NodeJS.ErrnoException).code ?? 'unknown' });
      }
    },
    async close() {
      for (const close of closers.reverse()) await close();
    },
  };
}

/** An observer of the machine that reports each node_tick exactly once, after the node_tick has ended. */
function ofTicks(onEnd: (tick: LastTick) => void) {
  let seen: LastTick | null = null;
  return {
    next: ({ context }: { readonly context: { readonly tick: { readonly last: LastTick | null } } }) => {
      const { last } = context.tick;
      if (last === null || last === seen) return;
      seen = last;
      onEnd(last);
    },
    // The composition root handles errors of the machine.
    error: () => undefined,
  };
}

function figuresOf(config: Config, node: ComposedNode, nowMs: number): NodeFigures {
  const { secret, peerCache, chainWatch, store, replicas } = node.inside;
  const view = node.readiness();
  return {
    nowMs,
    state: view.state,
    secretState: secret.named().state,
    secretConfirmed: view.secretConfirmed,
    firstSnapshot: view.firstSnapshot,
    members: peerCache.membership()?.members.length ?? 0,
    ticksDropped: view.ticks.dropped,
    viewBlockMs: chainWatch.figures().viewBlockMs,
    peers: replicas.views(),
    store: { bytes: store.heldBytes, limitBytes: config.maxStoreBytes, keys: store.totals(nowMs).totalKeys, tombstones: store.tombstones },
    auditDropped: node.auditDropped(),
  };
}
