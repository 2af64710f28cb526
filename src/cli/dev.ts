/**
 * `npm start`: a cluster on this machine that shows that it works (see `--help`). Signals, exit codes and the one line on
 * standard error are here; what is done in between is in `dev-session.ts`.
 */
import process from 'node:process';
import { systemClock } from '../system/system.ts';
import { readDevOptions } from './dev-options.ts';
import { jsonReport, textReport, type Report } from './dev-report.ts';
import { DevSession } from './dev-session.ts';
import { exitWithParent } from './exit-with-parent.ts';
import { onStopSignals } from './stop-signals.ts';

const options = readDevOptions(process.argv.slice(2));
const stopping = new AbortController();
const stop = (): void => stopping.abort(new Error('stopped before the table was there'));

const output = {
  write: (text: string) => process.stdout.write(text),
  colours: process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '',
};
const report: Report = options.json ? jsonReport(output) : textReport(output);
const session = new DevSession(options, { report, monotonicMs: () => systemClock.monotonicMs(), signal: stopping.signal });

function killAll(code: number): never {
  session.killAll();
  process.exit(code);
}

/** The first line: what comes after it is for whoever debugs the library that threw. */
function say(error: unknown): void {
  const text = error instanceof Error ? error.message : 'something was thrown that is no error';
  process.stderr.write(`${text.split('\n', 1)[0]!}\n`);
}

onStopSignals(stop, () => killAll(130));
if (options.exitWithParent) exitWithParent(stop);
// Whoever read the output is gone: there is nobody to run for.
process.stdout.on('error', stop);
process.on('uncaughtException', (error) => {
  say(error);
  killAll(1);
});

/** Resolves when somebody asks to stop. */
async function untilStopped(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  if (stopping.signal.aborted) resolve(undefined);
  await promise;
}

/** @returns the exit code */
async function main(): Promise<number> {
  try {
    const equal = await session.run();
    if (!equal) throw new Error('the nodes did not derive the same key');
    if (options.once) return 0;
    report({ event: 'running' });
    await untilStopped();
    return 0;
  } catch (error) {
    if (stopping.signal.aborted && !options.once) return 0;
    say(stopping.signal.aborted ? stopping.signal.reason : error);
    return 1;
  } finally {
    const asked = stopping.signal.aborted;
    if (asked) report({ event: 'stopping' });
    stop();
    await session.close();
    if (asked) report({ event: 'stopped' });
  }
}

const code = await main();
// What a pipe has not taken yet would be lost by an exit.
process.stdout.write('', () => process.exit(code));
