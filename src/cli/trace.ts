/** `npm run trace -- URL > FILE`: what the visualiser of a process knows, as a trace file. */
import process from 'node:process';
import { Command } from 'commander';
import { onStopSignals } from './stop-signals.ts';
import { writeTrace } from './write-trace.ts';

const command = new Command('npm run --silent trace --')
  .description('Writes the events of a running node or cluster to standard output as JSON lines: those that it has kept, and those that come, until Ctrl-C.')
  .argument('<url>', 'of the visualiser, such as http://127.0.0.1:9000')
  .option('--kept', 'end with the events that are there now')
  .helpOption('-h, --help', 'say all this')
  .showSuggestionAfterError(false)
  .parse();
const [url] = command.args as [string];
const { kept = false } = command.opts<{ kept?: boolean }>();

const stopping = new AbortController();
// Whoever read the output is gone.
process.stdout.on('error', () => stopping.abort());
onStopSignals(
  () => stopping.abort(),
  () => process.exit(130),
);
try {
  await writeTrace(url, process.stdout, { follow: !kept, signal: stopping.signal });
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
