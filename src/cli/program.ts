/** Runs the command from the command line, and ends the process with the exit code of that command. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { runCommandLine, type CommandRow } from './command-line.ts';
import { EXIT } from './exit-codes.ts';

let outputLost: string | null = null;

/** EPIPE is not an error: the reader has closed the pipe and wants no more output. A full disk is an error. */
function noteLost(error: NodeJS.ErrnoException | null | undefined): void {
  if (error !== null && error !== undefined && error.code !== 'EPIPE') outputLost ??= error.code ?? 'unknown';
}

export async function runProgram(rows: readonly CommandRow[]): Promise<void> {
  process.stdout.on('error', noteLost);
  process.stderr.on('error', () => undefined);

  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  const code = await runCommandLine(
    process.argv.slice(2),
    { version, rows },
    { stdout: (text) => process.stdout.write(text), stderr: (text) => process.stderr.write(text) },
  );
  // `exit` would lose output that the pipe has not accepted yet.
  process.stdout.write('', (error) => {
    noteLost(error);
    const last = outputLost === null ? '' : `could not write to standard output (${outputLost})\n`;
    process.stderr.write(last, () => process.exit(outputLost === null ? code : EXIT.failed));
  });
}
