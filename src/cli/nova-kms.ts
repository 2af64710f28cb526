/** `nova-kms`: runs one command and ends with its exit code. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { runCommandLine } from './command-line.ts';
import { COMMANDS } from './commands.ts';

// Whoever read the output is gone: what else is written is for nobody.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string };
const code = await runCommandLine(
  process.argv.slice(2),
  { version, rows: COMMANDS },
  { stdout: (text) => process.stdout.write(text), stderr: (text) => process.stderr.write(text) },
);
// What a pipe has not taken yet would be lost by an exit.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
