/**
 * Before the end-to-end tests: bundles the node from its sources, once for all clusters of the run. A node starts from the bundle
 * with less than a third of the processor time that its sources take. Tests of commands and launchers start the sources.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { bundleNode, NODE_PROGRAM } from '../../../scripts/bundle/bundle-node.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

export default async function bundleForThisRun() {
  // Another run beside this one has another bundle.
  const folder = join(ROOT, 'artifacts', `bundle-${process.pid}`);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  await bundleNode(folder);
  process.env.NOVA_KMS_BUNDLED_NODE = join(folder, NODE_PROGRAM);
}
