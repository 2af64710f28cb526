/** `nova-kms chart`: draws the node's machine from its definition. */
import { Option, type Command } from 'commander';
import process from 'node:process';
import { mermaidOf } from '../../chart/mermaid.ts';
import { EXIT } from '../exit-codes.ts';
import { nodeChart, regionNames } from './node-chart.ts';

const MORE = `
Prints a Mermaid state diagram, which GitHub and most editors draw. With --json, it
prints the states and edges, with all guards, actions and actors. The delays are those
of the default configuration.

Examples:
  nova-kms chart
  nova-kms chart --region all > machine.mmd
  nova-kms chart --region nodeTick --json | jq -r '.edges[].label'

Exit codes:
  0    done
  2    the command line is invalid`;

export function define(command: Command): void {
  command
    .addOption(new Option('--region <name>', 'region of the machine').choices(regionNames()).default('readiness'))
    .option('--json', 'print the states and edges as one JSON object')
    .addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const { region, json } = command.opts<{ region: string; json?: boolean }>();
  const chart = nodeChart(region);
  process.stdout.write(json === true ? `${JSON.stringify(chart, null, 2)}\n` : mermaidOf(chart));
  return EXIT.done;
}
