/** The commands of `nova-kms`, in the order of its help. A new command is a row here and a module beside it. */
import type { CommandModule, CommandRow } from './command-line.ts';
import { CommandError } from './exit-codes.ts';

export const COMMANDS: readonly CommandRow[] = [
  { name: 'node', summary: 'run one node from the environment', load: () => import('./node.ts') },
  { name: 'check-config', summary: 'say what a node would read from the environment, and what is wrong with it', load: () => import('./check-config.ts') },
  { name: 'status', summary: 'show every node of a cluster on one screen', load: () => import('./status.ts') },
  { name: 'derive', summary: 'derive a key of an app', load: () => import('./derive.ts') },
  { name: 'get', summary: "read a value of an app's store", load: async () => (await import('./data.ts')).get },
  { name: 'put', summary: "write a value into an app's store", load: async () => (await import('./data.ts')).put },
  { name: 'list', summary: "list the keys of an app's store", load: async () => (await import('./data.ts')).list },
  { name: 'delete', summary: "delete a key of an app's store", load: async () => (await import('./data.ts')).remove },
  { name: 'dev', summary: 'run a whole cluster on this machine', load: () => ofSourceTree('dev', './dev.ts') },
  { name: 'emulator', summary: 'run an emulator of the enclave API', load: () => import('./emulator.ts') },
  { name: 'sim', summary: 'simulate whole clusters from seeds', load: () => import('./sim.ts') },
  { name: 'visualize', summary: 'replay a trace file on a page', load: () => import('./visualize.ts') },
  { name: 'trace', summary: 'write what a node or cluster does as a trace file', load: () => import('./trace.ts') },
  { name: 'chart', summary: "draw the node's machine", load: () => import('./chart.ts') },
];

/**
 * A command that needs development packages: its files are no part of the built package (tsconfig.build.json), and a path
 * that the compiler does not know keeps them out of it.
 */
async function ofSourceTree(name: string, file: string): Promise<CommandModule> {
  const url = new URL(file, import.meta.url);
  if (import.meta.url.endsWith('.ts')) return (await import(url.href)) as CommandModule;
  throw new CommandError(`${name} is a command of the source tree: run it in a checkout`);
}
