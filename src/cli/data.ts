/** `nova-kms get`, `put`, `list` and `delete`: an app's store, for a developer. Values are bytes; what is read is printed as it is. */
import { createReadStream } from 'node:fs';
import { Option, type Command } from 'commander';
import process from 'node:process';
import { MAX_ACK_TIMEOUT_MS, MAX_MEMBERS } from '../domain/limits.ts';
import { callAsApp } from './app-call.ts';
import { APP_HELP, defineAppOptions } from './app-options.ts';
import { BYTE_FORMATS, formatBytes, type ByteFormat } from './byte-formats.ts';
import type { CommandModule } from './command-line.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import { wholeNumber } from './option-values.ts';
import { isShowable } from './plain-text.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const sayJson = (object: object): void => say(JSON.stringify(object));

interface Json {
  readonly json?: boolean;
}

interface Acknowledged {
  readonly acks?: number;
  readonly ackTimeoutMs?: number;
}

function defineAcks(command: Command): Command {
  return command
    .option('--acks <n>', 'answered when so many other nodes have it', wholeNumber(0, MAX_MEMBERS))
    .option('--ack-timeout-ms <ms>', 'how long the node waits for them', wholeNumber(1, MAX_ACK_TIMEOUT_MS));
}

function acksOf({ acks, ackTimeoutMs }: Acknowledged) {
  if (ackTimeoutMs !== undefined && acks === undefined) throw new CommandError('--ack-timeout-ms says how long to wait for --acks: give both', EXIT.usage);
  return { ...(acks === undefined ? {} : { acks }), ...(ackTimeoutMs === undefined ? {} : { ackTimeoutMs }) };
}

export const get: CommandModule = {
  define: (command) =>
    defineAppOptions(
      command
        .argument('<key>')
        .addOption(new Option('--format <format>', 'of the value').choices(BYTE_FORMATS).default('raw').conflicts('json'))
        .option('--json', 'an object with the value in base64, its time, and who answered'),
    ).addHelpText(
      'after',
      `${APP_HELP}

Examples:
  nova-kms get settings --identity .dev-app.json
  nova-kms get picture > picture.png

Exit code: 0 with a value; 1 failed; 2 the command line cannot be read; 3 there is
no such key, or no node is ready.`,
    ),
  run: async (command) => {
    const [key] = command.processedArgs as [string];
    const { format, json } = command.opts<Json & { format: ByteFormat }>();
    const stored = await callAsApp(command, (client, options) => client.get(key, options));
    if (stored === null) throw new CommandError('there is no such key', EXIT.no);
    const { value, updatedAtMs, node } = stored;
    if (json === true) sayJson({ key, value: Buffer.from(value).toString('base64'), updated_at_ms: updatedAtMs, node: node.url });
    else process.stdout.write(format === 'raw' && process.stdout.isTTY ? onTerminal(value) : formatBytes(value, format));
    return EXIT.done;
  },
};

/** A terminal would act on control characters. */
function onTerminal(value: Uint8Array): string {
  const text = Buffer.from(value).toString('utf8');
  if (Buffer.from(text).equals(value) && isShowable(text)) return text.endsWith('\n') ? text : `${text}\n`;
  throw new CommandError(`the value is ${value.length} bytes that are no plain text: give --format hex or base64, or a file for standard output`);
}

export const put: CommandModule = {
  define: (command) =>
    defineAppOptions(
      defineAcks(
        command
          .argument('<key>')
          .argument('[value]', 'text; without it the value is read from standard input')
          .option('--file <file>', 'the value is what stands in it')
          .option('--ttl-ms <ms>', 'until it reads as absent; 0: for ever', wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
          .option('--json', 'an object with the time, the acknowledgements, and who answered'),
      ),
    ).addHelpText(
      'after',
      `${APP_HELP}

Examples:
  nova-kms put greeting hello --identity .dev-app.json
  nova-kms put picture --file picture.png --acks 2
  pass show token | nova-kms put token          a secret is no argument

Exit code: 0 written; 1 failed, or with --acks not acknowledged in time (the write
stays); 2 the command line cannot be read; 3 no node is ready.`,
    ),
  run: async (command) => {
    const [key, text] = command.processedArgs as [string, string | undefined];
    const { file, ttlMs, json, ...acks } = command.opts<Json & Acknowledged & { file?: string; ttlMs: number }>();
    const value = await readValue(text, file);
    const { updatedAtMs, acks: acknowledged, node } = await callAsApp(command, (client, options) =>
      client.put({ key, value, ttlMs, ...acksOf(acks) }, options),
    );
    if (json === true) sayJson({ key, updated_at_ms: updatedAtMs, acks: acknowledged, node: node.url });
    return EXIT.done;
  },
};

/** More than any node takes; what is read is held in memory. Bytes. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

async function readValue(text: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (text !== undefined && file !== undefined) throw new CommandError('a value and --file are two values: give one', EXIT.usage);
  if (text !== undefined) return Buffer.from(text);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Whoever fills the pipe may take long: somebody is asked for a passphrase.
    for await (const chunk of (file === undefined ? process.stdin : createReadStream(file)) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_INPUT_BYTES) throw new CommandError(`a value has at most ${MAX_INPUT_BYTES} bytes`, EXIT.usage);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${file ?? 'standard input'} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, EXIT.usage);
  }
  return Buffer.concat(chunks);
}

export const list: CommandModule = {
  define: (command) =>
    defineAppOptions(
      command
        .option('--prefix <text>', 'only keys that begin with this')
        .option('--after <key>', 'only keys after this one')
        .option('--limit <n>', 'at most so many', wholeNumber(1, 999_999))
        .option('--json', 'an object with the keys, whether there are more, and who answered'),
    ).addHelpText(
      'after',
      `${APP_HELP}

One key a line, in order; a key of other than plain text stands as a JSON string.

Examples:
  nova-kms list --prefix users/ --identity .dev-app.json
  nova-kms list --json | jq -r '.keys[]'

Exit code: 0 with a list, an empty one too; 1 failed; 2 the command line cannot be
read; 3 no node is ready.`,
    ),
  run: async (command) => {
    const { prefix, after, limit, json } = command.opts<Json & { prefix?: string; after?: string; limit?: number }>();
    const { keys, more, node } = await callAsApp(command, (client, options) =>
      client.list(
        { ...(prefix === undefined ? {} : { prefix }), ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) },
        options,
      ),
    );
    if (json === true) sayJson({ keys, more, node: node.url });
    else {
      for (const key of keys) say(keyLine(key));
      if (more) process.stderr.write('There are more: give --after with the last key, or a larger --limit.\n');
    }
    return EXIT.done;
  },
};

/** A line for each key, whatever is in it. */
export function keyLine(key: string): string {
  return isShowable(key) && !/[\n\t"]/.test(key) ? key : escapeAll(JSON.stringify(key));
}

/** JSON leaves some of what is not drawn as it is. */
function escapeAll(json: string): string {
  return Array.from(json, (character) => (isShowable(character) ? character : unitsOf(character))).join('');
}

function unitsOf(character: string): string {
  return [...Array(character.length).keys()].map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join('');
}

export const remove: CommandModule = {
  define: (command) =>
    defineAppOptions(
      defineAcks(command.argument('<key>').option('--json', 'an object with the acknowledgements, and who answered')),
    ).addHelpText(
      'after',
      `${APP_HELP}

Example:
  nova-kms delete greeting --identity .dev-app.json

Exit code: 0 deleted; 1 failed; 2 the command line cannot be read; 3 there is no
such key, or no node is ready.`,
    ),
  run: async (command) => {
    const [key] = command.processedArgs as [string];
    const { json, ...acks } = command.opts<Json & Acknowledged>();
    const { deleted, acks: acknowledged, node } = await callAsApp(command, (client, options) => client.delete({ key, ...acksOf(acks) }, options));
    if (!deleted) throw new CommandError('there is no such key', EXIT.no);
    if (json === true) sayJson({ key, deleted, acks: acknowledged, node: node?.url });
    return EXIT.done;
  },
};
