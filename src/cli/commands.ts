/** The commands of `nova-kms`, in the order of its help. A new command needs a row here and a module in a folder next to this file. */
import type { CommandModule, CommandRow } from './command-line.ts';
import { CommandError } from './exit-codes.ts';
import { NODE } from './node/row.ts';

export const COMMANDS: readonly CommandRow[] = [
  NODE,
  { name: 'check-config', summary: 'print the configuration that a node would use, or every problem in it', load: () => import('./node/check-config.ts') },
  { name: 'doctor', summary: 'explain why a node is not ready, or would not become ready', load: () => import('./doctor/doctor.ts') },
  { name: 'status', summary: 'show every node of a cluster on one screen', load: () => import('./status/status.ts') },
  { name: 'audit', summary: "fetch a node's audit log, and verify it", load: () => import('./audit/audit.ts') },
  { name: 'derive', summary: 'derive a key for an app', load: () => import('./app/derive.ts') },
  { name: 'get', summary: "read a value of an app's store", load: () => import('./app/get.ts') },
  { name: 'put', summary: "write a value into an app's store", load: () => import('./app/put.ts') },
  { name: 'list', summary: "list the keys of an app's store", load: () => import('./app/list.ts') },
  { name: 'delete', summary: "delete a key of an app's store", load: () => import('./app/delete.ts') },
  { name: 'dev', summary: 'run a whole cluster on this machine', load: () => ofSourceTree('dev', './dev/dev.ts') },
  { name: 'emulator', summary: 'run an emulator of the enclave API', load: () => import('./emulator/emulator.ts') },
  { name: 'sim', summary: 'simulate whole clusters from seeds', load: () => import('./sim/sim.ts') },
  { name: 'visualize', summary: 'replay a trace file on a page', load: () => import('./trace/visualize.ts') },
  { name: 'trace', summary: 'record the events of a node or cluster as a trace file', load: () => import('./trace/trace.ts') },
  { name: 'chart', summary: "draw the node's machine", load: () => import('./chart/chart.ts') },
];

/**
 * Loads a command that needs development packages. The built package must not contain the command's files (tsconfig.build.json). The
 * compiler would include a file whose path is a literal in `import`, so the path is computed at run time.
 */
async function ofSourceTree(name: string, file: string): Promise<CommandModule> {
  const url = new URL(file, import.meta.url);
  if (import.meta.url.endsWith('.ts')) return (await import(url.href)) as CommandModule;
  throw new CommandError(`${name} works only in the source tree: run it in a checkout`);
}
