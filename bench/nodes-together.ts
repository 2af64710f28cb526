/**
 * Several nodes in one process, for a benchmark that compares them. They share the compiled code, the heap and the garbage collector,
 * so they differ only in their configuration. The first node has the environment of this process. `OTHER_NODES` has the variables of the
 * other nodes as JSON, which override that environment.
 */
import process from 'node:process';
import { exitWithParent } from '../src/cli/exit-with-parent.ts';
import { readConfig } from '../src/config/read-config.ts';
import { runNode } from '../src/node/run-node.ts';
import { createLog } from '../src/observe/log.ts';
import { systemClock } from '../src/system/system.ts';

const others = JSON.parse(process.env['OTHER_NODES'] ?? '[]') as readonly Readonly<Record<string, string>>[];
exitWithParent(() => process.exit());
for (const environment of [{}, ...others]) {
  const read = readConfig({ ...process.env, ...environment });
  if (!read.ok) throw new Error(read.problems.join('; '));
  const log = createLog({ level: read.config.logLevel, stream: process.stderr }, { clock: systemClock });
  await runNode(read.config, log, (error) => {
    throw error;
  });
}
