/** The row of `nova-kms node` in the table of commands, apart from it: a bundle of this command alone has no other. */
import type { CommandRow } from '../command-line.ts';

export const NODE: CommandRow = { name: 'node', summary: 'run one node from the environment', load: () => import('./node.ts') };
