/**
 * `nova-kms derive`: derives one key for an app and prints it. The key appears only in that output: never in an error, and with --json only
 * in one field.
 */
import { Option, type Command } from 'commander';
import process from 'node:process';
import { MAX_DERIVED_KEY_BYTES } from '../../domain/limits.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../option-values.ts';
import { callAsApp } from './app-call.ts';
import { APP_HELP, defineAppOptions } from './app-options.ts';
import { BYTE_FORMATS, formatBytes, jsonLine, type ByteFormat } from './output-forms.ts';

const EXAMPLES = `
Examples:
  nova-kms derive sessions --identity .dev-app.json
  nova-kms derive disk --context volume-1 --length 64 --format raw > key

The key is written to standard output: keep it out of logs and shell histories.

Exit codes:
  0    the key was written
  1    failed
  2    the command line is invalid
  3    no node is ready`;

interface DeriveOptions {
  readonly context?: string;
  readonly length?: number;
  readonly format: ByteFormat;
  readonly json?: boolean;
}

export function define(command: Command): void {
  defineAppOptions(
    command
      .argument('<path>', 'name of the key; every node always returns the same key for the same path')
      .option('--context <text>', 'context that is added to the path')
      .option('--length <bytes>', `1 to ${MAX_DERIVED_KEY_BYTES}, 32 by default`, wholeNumber(1, MAX_DERIVED_KEY_BYTES))
      .addOption(new Option('--format <format>', 'format of the key').choices(BYTE_FORMATS).default('hex').conflicts('json'))
      .option('--json', 'print a JSON object with the key in hex, and the node that answered'),
  ).addHelpText('after', `${APP_HELP}\n${EXAMPLES}`);
}

export async function run(command: Command): Promise<number> {
  const [path] = command.processedArgs as [string];
  const { context, length, format, json } = command.opts<DeriveOptions>();
  const { key, appId, node } = await callAsApp(command, (client, options) =>
    client.derive({ path, ...(context === undefined ? {} : { context }), ...(length === undefined ? {} : { length }) }, options),
  );
  const shown =
    json === true
      ? jsonLine({ app_id: appId, path, context, key: formatBytes(key, 'hex').toString().trim(), node: node.url, wallet: node.wallet })
      : formatBytes(key, format);
  key.fill(0);
  process.stdout.write(shown);
  return EXIT.done;
}
