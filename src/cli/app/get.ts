/** `nova-kms get`: prints one value of an app's store. By default, the bytes of the value are printed unchanged. */
import { Option, type Command } from 'commander';
import process from 'node:process';
import { CommandError, EXIT } from '../exit-codes.ts';
import { isShowable } from '../plain-text.ts';
import { callAsApp } from './app-call.ts';
import { APP_HELP, defineAppOptions } from './app-options.ts';
import { BYTE_FORMATS, formatBytes, jsonLine, type ByteFormat, type JsonOption } from './output-forms.ts';

export function define(command: Command): void {
  defineAppOptions(
    command
      .argument('<key>')
      .addOption(new Option('--format <format>', 'format of the value').choices(BYTE_FORMATS).default('raw').conflicts('json'))
      .option('--json', 'print a JSON object with the value in base64, the time of its last write, and the node that answered'),
  ).addHelpText(
    'after',
    `${APP_HELP}

Examples:
  nova-kms get settings --identity .dev-app.json
  nova-kms get picture > picture.png

Exit codes:
  0    the value was written
  1    failed
  2    the command line is invalid
  3    there is no such key, or no node is ready`,
  );
}

export async function run(command: Command): Promise<number> {
  const [key] = command.processedArgs as [string];
  const { format, json } = command.opts<JsonOption & { format: ByteFormat }>();
  const stored = await callAsApp(command, (client, options) => client.get(key, options));
  if (stored === null) throw new CommandError('there is no such key', EXIT.no);
  const { value, updatedAtMs, node } = stored;
  if (json === true) process.stdout.write(jsonLine({ key, value: Buffer.from(value).toString('base64'), updated_at_ms: updatedAtMs, node: node.url }));
  else process.stdout.write(format === 'raw' && process.stdout.isTTY ? onTerminal(value) : formatBytes(value, format));
  return EXIT.done;
}

/** A terminal obeys control characters, so it gets only plain text. */
function onTerminal(value: Uint8Array): string {
  const text = Buffer.from(value).toString('utf8');
  if (Buffer.from(text).equals(value) && isShowable(text)) return text.endsWith('\n') ? text : `${text}\n`;
  throw new CommandError(`the value is ${value.length} bytes that are not plain text: give --format hex or base64, or redirect standard output to a file`);
}
