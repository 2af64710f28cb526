/** `nova-kms check-config`: reads the environment in the same way as a node, and prints the effective configuration or every problem. */
import type { Command } from 'commander';
import process from 'node:process';
import { readConfig, type ConfigResult } from '../../config/read-config.ts';
import { EXIT } from '../exit-codes.ts';

const MORE = `
Prints the effective configuration. Secrets appear only as set or unset, and URLs appear
without their credentials. If the configuration is wrong, prints every problem on
standard error, one per line.

Examples:
  nova-kms check-config
  env $(cat node.env) nova-kms check-config --json

Exit codes:
  0    a node would start with this configuration
  1    a node would not start with it`;

export function define(command: Command): void {
  command.option('--json', 'print one JSON object with the fields ok, effective and problems').addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const read = readConfig(process.env);
  const { stdout, stderr } = configLines(read, command.opts<{ json?: boolean }>().json === true);
  for (const line of stdout) process.stdout.write(`${line}\n`);
  for (const line of stderr) process.stderr.write(`${line}\n`);
  return read.ok ? EXIT.done : EXIT.failed;
}

interface Lines {
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

export function configLines(read: ConfigResult, json: boolean): Lines {
  if (json) {
    const object = read.ok ? { ok: true, effective: read.effective, problems: [] } : { ok: false, effective: null, problems: read.problems };
    return { stdout: [JSON.stringify(object)], stderr: [] };
  }
  if (!read.ok) return { stdout: [], stderr: read.problems };
  const width = Math.max(...Object.keys(read.effective).map(({ length }) => length));
  return { stdout: Object.entries(read.effective).map(([variable, text]) => `${variable.padEnd(width)}  ${text}`.trimEnd()), stderr: [] };
}
