/**
 * `nova-kms dev`, which is `npm start`: runs a cluster on this machine and shows that it works (see `--help`). This file handles
 * signals, exit codes and the error line; `session.ts` does the work.
 */
import type { Command } from 'commander';
import process from 'node:process';
import { systemClock } from '../../system/system.ts';
import { firstLine } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { onStopSignals } from '../stop-signals.ts';
import { takesColours } from '../terminal.ts';
import { defineDevOptions, devOptionsOf } from './options.ts';
import { jsonReport, textReport, type Report } from './report.ts';
import { DevSession } from './session.ts';

export const define = defineDevOptions;

export async function run(command: Command): Promise<number> {
  const options = devOptionsOf(command);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new Error('stopped before the table was printed'));

  const output = { write: (text: string) => process.stdout.write(text), colours: takesColours(process.stdout) };
  const report: Report = options.json ? jsonReport(output) : textReport(output);
  const session = new DevSession(options, { report, monotonicMs: () => systemClock.monotonicMs(), signal: stopping.signal });

  const killAll = (code: number): never => {
    session.killAll();
    process.exit(code);
  };
  const say = (error: unknown): void => void process.stderr.write(`${firstLine(error)}\n`);

  onStopSignals(stop, () => killAll(EXIT.interrupted));
  // An error means that the reader has closed the pipe, so there is no reason to continue.
  process.stdout.on('error', stop);
  process.on('uncaughtException', (error) => {
    say(error);
    killAll(EXIT.failed);
  });

  try {
    const equal = await session.run();
    if (!equal) throw new Error('the nodes did not derive the same key');
    if (options.once) return EXIT.done;
    const unwritten = await session.offerIdentity();
    if (unwritten !== null) process.stderr.write(`${unwritten}\n`);
    await untilAborted(stopping.signal);
    return EXIT.done;
  } catch (error) {
    if (stopping.signal.aborted && !options.once) return EXIT.done;
    say(stopping.signal.aborted ? stopping.signal.reason : error);
    return EXIT.failed;
  } finally {
    const asked = stopping.signal.aborted;
    if (asked) report({ event: 'stopping' });
    stop();
    await session.close();
    if (asked) report({ event: 'stopped' });
  }
}

/** Resolves when the signal is aborted. */
async function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  signal.addEventListener('abort', () => resolve(undefined), { once: true });
  if (signal.aborted) resolve(undefined);
  await promise;
}
