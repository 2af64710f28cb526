/**
 * A cluster in which the test decides when a block is mined. Each transaction is mined immediately, or waits while mining is paused.
 * `cluster.chain.mine` adds blocks on top. The test must start the nodes. They read the chain through proxies if the test sets `rpcProxies`.
 */
import type { NodePlan } from '../../../src/dev/cluster.ts';
import { startCluster, type Cluster, type ClusterOptions } from './cluster.ts';
import { RpcProxy } from './rpc-proxy.ts';

/** A block time so long that the chain mines a block only when the test asks for one. Seconds. */
const NEVER_SECONDS = 86_400;

export interface ManualCluster {
  readonly cluster: Cluster;
  /** The proxy of each node, by position; empty without `rpcProxies`. */
  readonly proxies: readonly RpcProxy[];
  /** The number of the block that will contain the next transaction. */
  nextBlock(): Promise<bigint>;
  /** Mines until `depth` blocks are on top of `block`. */
  bury(block: bigint, depth: number): Promise<void>;
  /** From now on, transactions wait in the mempool until `cluster.chain.mine` is called. */
  pauseMining(): Promise<void>;
  /** From now on, each transaction is mined immediately, in a separate block. */
  resumeMining(): Promise<void>;
  close(): Promise<void>;
}

export interface ManualClusterOptions extends Omit<ClusterOptions, 'blockTimeSeconds' | 'start'> {
  /** Whether there is a proxy between each node and the chain. Default: false. */
  readonly rpcProxies?: boolean;
}

export async function startManualCluster({ rpcProxies = false, ...options }: ManualClusterOptions): Promise<ManualCluster> {
  const proxies = await Promise.all(Array.from({ length: rpcProxies ? options.nodes : 0 }, () => RpcProxy.start()));
  const plans = Array.from({ length: options.nodes }, (_, index): NodePlan => {
    const plan = options.plans?.[index] ?? {};
    const url = proxies[index]?.url;
    return { ...plan, environment: { ...(url === undefined ? {} : { NODE_URL: url }), ...plan.environment } };
  });
  const closeProxies = async (): Promise<void> => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  };
  let cluster: Cluster;
  try {
    const environment = { LOG_LEVEL: 'DEBUG', ...options.environment };
    cluster = await startCluster({ keepLines: 20_000, ...options, environment, plans, blockTimeSeconds: NEVER_SECONDS, start: false });
  } catch (error) {
    await closeProxies();
    throw error;
  }
  for (const proxy of proxies) proxy.target = cluster.chain.url;
  const { test } = cluster.chain;
  await test.setAutomine(true);
  return {
    cluster,
    proxies,
    nextBlock: async () => (await cluster.chain.client.getBlockNumber()) + 1n,
    bury: async (block, depth) => {
      const missing = Number(block) + depth - Number(await cluster.chain.client.getBlockNumber());
      if (missing < 0) throw new Error(`block ${block} already has more than ${depth} blocks on top`);
      if (missing > 0) await cluster.chain.mine(missing);
    },
    pauseMining: () => test.setAutomine(false),
    resumeMining: () => test.setAutomine(true),
    close: async () => {
      await cluster.close();
      await closeProxies();
    },
  };
}

export async function startAll(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.start()));
}
