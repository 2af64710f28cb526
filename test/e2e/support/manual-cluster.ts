/**
 * A cluster whose blocks come when the test says so: each transaction is mined at once, or none is while mining is paused, and
 * depth comes by `mine`. Nodes are not started, and read the chain through proxies where the test asks for them.
 */
import type { NodePlan } from '../../../src/dev/cluster.ts';
import { startCluster, type Cluster, type ClusterOptions } from './cluster.ts';
import { RpcProxy } from './rpc-proxy.ts';

/** No block comes by itself while a test runs. Seconds. */
const NEVER_SECONDS = 86_400;

export interface ManualCluster {
  readonly cluster: Cluster;
  /** One before each node, by position; empty unless asked for. */
  readonly proxies: readonly RpcProxy[];
  /** The number of the block that the next transaction comes into. */
  nextBlock(): Promise<bigint>;
  /** Mines until `depth` blocks stand on top of `block`. */
  bury(block: bigint, depth: number): Promise<void>;
  /** Transactions wait in the mempool until `cluster.chain.mine`. */
  pauseMining(): Promise<void>;
  /** Every transaction gets its own block, at once. */
  resumeMining(): Promise<void>;
  close(): Promise<void>;
}

export interface ManualClusterOptions extends Omit<ClusterOptions, 'blockTimeSeconds' | 'start'> {
  /** Put a proxy between each node and the chain. Default: false. */
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
      if (missing < 0) throw new Error(`block ${block} lies deeper than ${depth} blocks already`);
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

/** All at once. */
export async function startAll(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.start()));
}
