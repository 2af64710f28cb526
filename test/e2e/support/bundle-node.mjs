/**
 * Bundles the node before the end-to-end tests, once for all clusters of the run. A start from the bundle needs less than a third of the
 * processor time of a start from the sources. Tests of commands and launchers run the sources.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { bundleNode, NODE_PROGRAM } from '../../../scripts/bundle/bundle-node.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

export default async function bundleForThisRun() {
  // Each concurrent run has a separate bundle.
  const folder = join(ROOT, 'artifacts', `bundle-${process.pid}`);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  await bundleNode(folder);
  process.env.NOVA_KMS_BUNDLED_NODE = join(folder, NODE_PROGRAM);
}
