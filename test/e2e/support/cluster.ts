/** A cluster whose nodes run the bundle that `bundle-node.mjs` made for this run of Jest. If there is no bundle, they run the sources. */
import process from 'node:process';
import { startCluster as startDevelopmentCluster, type Cluster, type ClusterOptions } from '../../../src/dev/cluster.ts';

export type { Cluster, ClusterOptions };

export function startCluster(options: ClusterOptions): Promise<Cluster> {
  return startDevelopmentCluster({ nodeProgram: process.env['NOVA_KMS_BUNDLED_NODE'], ...options });
}
