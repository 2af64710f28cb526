/** `nova-kms trace URL`: writes the events of a process's visualiser as a trace file. */
import type { Command } from 'commander';
import process from 'node:process';
import { CommandError, EXIT } from '../exit-codes.ts';
import { nodeUrl } from '../node-url.ts';
import { onStopSignals } from '../stop-signals.ts';
import { writeTrace } from './write-trace.ts';

const MORE = `
The URL is that of a node with VISUALIZER_PORT, or the one that \`nova-kms dev\` prints.
To standard output go the events that it has kept, and those that come, until Ctrl-C.

Examples:
  nova-kms trace http://127.0.0.1:9000 > node.jsonl

Exit code: 0 when it was stopped, or with --kept at the end; 1 with the reason in
one line on standard error, also when the process ends first; 2 the command line
cannot be read. What was written until then is whole lines.`;

export function define(command: Command): void {
  command.argument('<url>', 'of the visualiser').option('--kept', 'end with the events that are there now').addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const [given] = command.args as [string];
  const url = nodeUrl(given);
  if (url === null) throw new CommandError('this is not a URL of a visualiser, such as http://127.0.0.1:9000', EXIT.usage);
  // A terminal must not get lines of some kilobytes from an unknown server.
  if (process.stdout.isTTY) throw new CommandError(`a trace is for a file or a pipe: nova-kms trace ${url} > FILE`, EXIT.usage);
  const { kept = false } = command.opts<{ kept?: boolean }>();
  const stopping = new AbortController();
  onStopSignals(
    () => stopping.abort(),
    () => process.exit(EXIT.interrupted),
  );
  // The reader has closed the pipe.
  process.stdout.on('error', () => stopping.abort());
  await writeTrace(url, process.stdout, { follow: !kept, signal: stopping.signal });
  return EXIT.done;
}
