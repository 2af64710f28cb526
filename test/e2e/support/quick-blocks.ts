/** Waits for nodes on a development chain. Blocks are mined when they are needed, not once a second. */
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import type { Cluster } from '../../../src/dev/cluster.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import type { ReadinessState } from '../../../src/domain/readiness.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

/** Mines a block at each check, so that a node that needs confirmations does not wait for the block time. */
export async function waitForStates(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
  state: ReadinessState,
  timeoutMs = WAIT_TIMEOUT_MS,
): Promise<void> {
  for (const node of nodes) {
    await waitUntil({ what: `${node.name} becoming ${state}`, timeoutMs }, async () => {
      if (!node.running) throw new Error(node.describeEnd());
      const readiness = (await node.tryStatus())?.readiness;
      if (readiness?.state === state) return null;
      await cluster.chain.mine(1);
      return readiness === undefined ? 'no answer to GET /status' : `it is ${readiness.state}, ${readiness.reason ?? 'without a reason'}`;
    });
  }
}
