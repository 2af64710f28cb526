/** `nova-kms list`: prints the keys of an app's store, one per line. */
import type { Command } from 'commander';
import process from 'node:process';
import { EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../option-values.ts';
import { isShowable, plainJson } from '../plain-text.ts';
import { callAsApp } from './app-call.ts';
import { APP_HELP, defineAppOptions } from './app-options.ts';
import { jsonLine, type JsonOption } from './output-forms.ts';

export function define(command: Command): void {
  defineAppOptions(
    command
      .option('--prefix <text>', 'only keys that begin with this text')
      .option('--after <key>', 'only keys after this key')
      .option('--limit <n>', 'maximum number of keys to list', wholeNumber(1, 999_999))
      .option('--json', 'print a JSON object with the keys, whether there are more, and the node that answered'),
  ).addHelpText(
    'after',
    `${APP_HELP}

Prints one key per line, in order. A key that is not plain text is printed as a JSON
string.

Examples:
  nova-kms list --prefix users/ --identity .dev-app.json
  nova-kms list --json | jq -r '.keys[]'

Exit codes:
  0    the list was printed, even if it is empty
  1    failed
  2    the command line is invalid
  3    no node is ready`,
  );
}

export async function run(command: Command): Promise<number> {
  const { prefix, after, limit, json } = command.opts<JsonOption & { prefix?: string; after?: string; limit?: number }>();
  const { keys, more, node } = await callAsApp(command, (client, options) =>
    client.list(
      { ...(prefix === undefined ? {} : { prefix }), ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) },
      options,
    ),
  );
  if (json === true) process.stdout.write(jsonLine({ keys, more, node: node.url }));
  else {
    for (const key of keys) process.stdout.write(`${keyLine(key)}\n`);
    if (more) process.stderr.write('There are more keys: give --after with the last key, or a larger --limit.\n');
  }
  return EXIT.done;
}

/** Returns exactly one line for each key, regardless of the characters in the key. */
export function keyLine(key: string): string {
  return isShowable(key) && !/[\n\t"]/.test(key) ? key : plainJson(key);
}
