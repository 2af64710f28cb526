/** `nova-kms delete`: deletes one key of an app's store. */
import type { Command } from 'commander';
import process from 'node:process';
import { CommandError, EXIT } from '../exit-codes.ts';
import { acksOf, defineAcks, type AcksOptions } from './acks-options.ts';
import { callAsApp } from './app-call.ts';
import { APP_HELP, defineAppOptions } from './app-options.ts';
import { jsonLine, type JsonOption } from './output-forms.ts';

export function define(command: Command): void {
  defineAppOptions(
    defineAcks(command.argument('<key>').option('--json', 'print a JSON object with the acknowledgements, and the node that answered')),
  ).addHelpText(
    'after',
    `${APP_HELP}

Example:
  nova-kms delete greeting --identity .dev-app.json

Exit codes:
  0    deleted
  1    failed
  2    the command line is invalid
  3    there is no such key, or no node is ready`,
  );
}

export async function run(command: Command): Promise<number> {
  const [key] = command.processedArgs as [string];
  const { json, ...acks } = command.opts<JsonOption & AcksOptions>();
  const { deleted, acks: acknowledged, node } = await callAsApp(command, (client, options) => client.delete({ key, ...acksOf(acks) }, options));
  if (!deleted) throw new CommandError('there is no such key', EXIT.no);
  if (json === true) process.stdout.write(jsonLine({ key, deleted, acks: acknowledged, node: node?.url }));
  return EXIT.done;
}

