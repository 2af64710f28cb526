/** `npm run visualize -- FILE`: a trace file on the visualiser's page. */
import process from 'node:process';
import { Command } from 'commander';
import { exitWithParent } from './exit-with-parent.ts';
import { MAX_PORT, wholeNumber } from './option-values.ts';
import { serveTrace } from './serve-trace.ts';
import { onStopSignals } from './stop-signals.ts';

const command = new Command('npm run visualize --')
  .description('Shows a trace file on a page on loopback, until Ctrl-C: one of a simulation (npm run sim -- --events FILE) or of a live node (npm run trace -- URL).')
  .argument('<file>', 'JSON lines')
  .option('--port <p>', '0: any that is free', wholeNumber(0, MAX_PORT), 0)
  .option('--exit-with-parent', 'stop when standard input closes')
  .helpOption('-h, --help', 'say all this')
  .showSuggestionAfterError(false)
  .parse();
const [file] = command.args as [string];
const { port, exitWithParent: withParent = false } = command.opts<{ port: number; exitWithParent?: boolean }>();

try {
  const server = await serveTrace(file, { port });
  const close = (): void => void server.close();
  onStopSignals(close, () => process.exit(130));
  if (withParent) exitWithParent(close);
  process.stdout.write(`Watch: ${server.url}\n`);
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  process.stderr.write(`${code === 'EADDRINUSE' ? `port ${port} is in use` : message}\n`);
  process.exitCode = 1;
}
