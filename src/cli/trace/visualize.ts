/** `nova-kms visualize FILE`: shows a trace file on the visualiser's page. */
import type { Command } from 'commander';
import process from 'node:process';
import { CommandError, EXIT } from '../exit-codes.ts';
import { exitWithParent, exitWithParentOption } from '../exit-with-parent.ts';
import { MAX_PORT, wholeNumber } from '../option-values.ts';
import { onStopSignals } from '../stop-signals.ts';
import { serveTrace } from './serve-trace.ts';
import { TraceFileError } from './trace-file.ts';

const MORE = `
A trace file has one JSON object per line. It is written by a simulation, a live node or
a cluster.

Examples:
  nova-kms sim --seed 7 --events seed-7.jsonl
  nova-kms trace http://127.0.0.1:9000 > node.jsonl
  nova-kms visualize seed-7.jsonl

Exit codes:
  0    stopped by a signal
  1    failed; one line on standard error gives the reason
  2    the command line is invalid, or the file is not a trace file`;

export function define(command: Command): void {
  command
    .argument('<file>', 'trace file (JSON lines)')
    .option('--port <p>', 'port on loopback; 0: any free port', wholeNumber(0, MAX_PORT), 0)
    .addOption(exitWithParentOption())
    .addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const [file] = command.args as [string];
  const { port, exitWithParent: withParent } = command.opts<{ port: number; exitWithParent?: boolean }>();
  const { server, isCut } = await serveTrace(file, { port }).catch((error: unknown) => {
    if (error instanceof TraceFileError) throw new CommandError(error.message, EXIT.usage);
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new CommandError(`port ${port} is in use`);
    throw error;
  });
  const stopped = Promise.withResolvers<undefined>();
  onStopSignals(
    () => stopped.resolve(undefined),
    () => process.exit(EXIT.interrupted),
  );
  if (withParent === true) exitWithParent(() => stopped.resolve(undefined));
  if (isCut) process.stderr.write('The last line was cut off while it was being written, so it is ignored.\n');
  process.stdout.write(`Watch: ${server.url}\n`);
  await stopped.promise;
  await server.close();
  return EXIT.done;
}
