/** Builds the same node command that the package and the image contain, so that benchmarks can run it from a checkout. */
import { join } from 'node:path';
import { bundleNode, NODE_PROGRAM } from '../scripts/bundle/bundle-node.ts';

const FOLDER = join(import.meta.dirname, '..', 'dist', 'bundle');

/** @returns the path of the program, which a cluster takes as `nodeProgram` */
export async function buildNode(): Promise<string> {
  await bundleNode(FOLDER);
  return join(FOLDER, NODE_PROGRAM);
}
