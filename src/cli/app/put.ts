/** `nova-kms put`: writes one value of an app's store, from an argument, a file or standard input. */
import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import process from 'node:process';
import { CommandError, EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../option-values.ts';
import { acksOf, defineAcks, type AcksOptions } from './acks-options.ts';
import { callAsApp } from './app-call.ts';
import { APP_HELP, defineAppOptions } from './app-options.ts';
import { jsonLine, type JsonOption } from './output-forms.ts';

export function define(command: Command): void {
  defineAppOptions(
    defineAcks(
      command
        .argument('<key>')
        .argument('[value]', 'text; without it, the value is read from standard input')
        .option('--file <file>', 'read the value from this file')
        .option('--ttl-ms <ms>', 'lifetime of the key; 0: it never expires', wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
        .option('--json', 'print a JSON object with the time of the write, the acknowledgements, and the node that answered'),
    ),
  ).addHelpText(
    'after',
    `${APP_HELP}

Examples:
  nova-kms put greeting hello --identity .dev-app.json
  nova-kms put picture --file picture.png --acks 2
  pass show token | nova-kms put token          never pass a secret as an argument

Exit codes:
  0    written
  1    failed, or, with --acks, not acknowledged in time (the write is kept)
  2    the command line is invalid
  3    no node is ready`,
  );
}

export async function run(command: Command): Promise<number> {
  const [key, text] = command.processedArgs as [string, string | undefined];
  const { file, ttlMs, json, ...acks } = command.opts<JsonOption & AcksOptions & { file?: string; ttlMs: number }>();
  const value = await readValue(text, file);
  const { updatedAtMs, acks: acknowledged, node } = await callAsApp(command, (client, options) =>
    client.put({ key, value, ttlMs, ...acksOf(acks) }, options),
  );
  if (json === true) process.stdout.write(jsonLine({ key, updated_at_ms: updatedAtMs, acks: acknowledged, node: node.url }));
  return EXIT.done;
}

/** Maximum size of a value. A limit is needed because the whole value is read into memory; every node has a lower limit. Bytes. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

async function readValue(text: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (text !== undefined && file !== undefined) throw new CommandError('a value and --file were both given: give only one', EXIT.usage);
  if (text !== undefined) return Buffer.from(text);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // No time limit: the program at the other end of the pipe may ask its user for a passphrase.
    for await (const chunk of (file === undefined ? process.stdin : createReadStream(file)) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_INPUT_BYTES) throw new CommandError(`a value may have at most ${MAX_INPUT_BYTES} bytes`, EXIT.usage);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${file ?? 'standard input'} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, EXIT.usage);
  }
  return Buffer.concat(chunks);
}
