/** The row of `nova-kms node` in the table of commands. It has its own file because the node's bundle contains no other command. */
import type { CommandRow } from '../command-line.ts';

export const NODE: CommandRow = { name: 'node', summary: 'run one node, configured by the environment', load: () => import('./node.ts') };
