/** `nova-kms trace URL`: writes the events of a process's visualiser as a trace file. */
import type { Command } from 'commander';
import process from 'node:process';
import { CommandError, EXIT } from '../exit-codes.ts';
import { nodeUrl } from '../node-url.ts';
import { onStopSignals } from '../stop-signals.ts';
import { writeTrace } from './write-trace.ts';

const MORE = `
The URL is http://127.0.0.1:PORT for a node with VISUALIZER_PORT=PORT, or the URL that
\`nova-kms dev\` prints.
Writes all events that the visualiser keeps, and every later event, to standard output,
until Ctrl-C. The output always consists of whole lines.

Examples:
  nova-kms trace http://127.0.0.1:9000 > node.jsonl

Exit codes:
  0    stopped by Ctrl-C, or, with --kept, all kept events were written
  1    failed, or the visualiser has stopped; one line on standard error gives the reason
  2    the command line is invalid`;

export function define(command: Command): void {
  command.argument('<url>', 'URL of the visualiser').option('--kept', 'write only the events that the visualiser has kept, then exit').addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const [given] = command.args as [string];
  const url = nodeUrl(given);
  if (url === null) throw new CommandError('this is not the URL of a visualiser; an example is http://127.0.0.1:9000', EXIT.usage);
  // A terminal must not get lines of several kilobytes from an unknown server.
  if (process.stdout.isTTY) throw new CommandError(`write a trace to a file or a pipe: nova-kms trace ${url} > FILE`, EXIT.usage);
  const { kept = false } = command.opts<{ kept?: boolean }>();
  const stopping = new AbortController();
  onStopSignals(
    () => stopping.abort(),
    () => process.exit(EXIT.interrupted),
  );
  // An error means that the reader has closed the pipe.
  process.stdout.on('error', () => stopping.abort());
  await writeTrace(url, process.stdout, { follow: !kept, signal: stopping.signal });
  return EXIT.done;
}
