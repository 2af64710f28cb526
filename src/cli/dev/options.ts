/** Defines and parses the options of `nova-kms dev`, which is `npm start`. */
import type { Command } from 'commander';
import { MAX_NODES } from '../../dev/cluster.ts';
import type { Generation } from '../../crypto/generation.ts';
import { generationOption, MAX_PORT, secondsBetween, wholeNumber } from '../option-values.ts';

export interface DevOptions {
  readonly nodes: number;
  readonly tickSeconds: number;
  /** The platform generation that the enclave emulators emulate. */
  readonly generation: Generation;
  /** Port of the first node; 0: any free ports. */
  readonly basePort: number;
  readonly once: boolean;
  readonly json: boolean;
  /** Port of the page that shows the cluster; 0: any free port; null: no page. */
  readonly visualizerPort: number | null;
  /** The identity file, which exists while the cluster runs. */
  readonly identity: string;
}

const DEFAULT_NODES = 3;
const DEFAULT_TICK_SECONDS = 5;
const DAY_SECONDS = 86_400;
const DEFAULT_IDENTITY_FILE = '.dev-app.json';

const DESCRIPTION =
  'Runs a Nova KMS cluster on this machine: a development chain with both contracts, and nodes that each have their own enclave ' +
  'emulator. Shows how they become ready, asks every node for the same key, checks that the answers are signed and equal, ' +
  'prints a table, and keeps running until Ctrl-C. A page shows the cluster and has buttons that cause faults. Everything ' +
  'stays on loopback and ends with this command.';

const EXAMPLES = `
Examples:
  npm start
  npm start -- --once                       exit after the table
  npm start -- --nodes 5 --base-port 8000   nodes on ports 8000 to 8004
  npm start -- --generation enclaver        the earlier generation of the platform
  npm start -- --visualizer-port 9000       the page of the cluster on that port
  npm start --silent -- --once --json       without npm's own lines

Exit codes:
  0    with --once, the cluster passed all checks; otherwise, Ctrl-C ended the command
  1    failed; one line on standard error gives the reason
  2    an option is invalid
  130  a second Ctrl-C stopped the command immediately`;

export function defineDevOptions(command: Command): void {
  command
    .description(DESCRIPTION)
    .option('--nodes <n>', `number of nodes, 1 to ${MAX_NODES}`, wholeNumber(1, MAX_NODES), DEFAULT_NODES)
    .option('--tick-seconds <s>', 'how often each node reads the chain (KMS_NODE_TICK_SECONDS)', secondsBetween(1, DAY_SECONDS), DEFAULT_TICK_SECONDS)
    .addOption(generationOption())
    .option('--base-port <p>', 'port of the first node; the others use the next ports; 0: any free ports', wholeNumber(0, MAX_PORT), 0)
    .option('--once', 'exit after the table')
    .option('--visualizer-port <p>', 'port of the page that shows the cluster; 0: any free port', wholeNumber(0, MAX_PORT), 0)
    .option('--no-visualizer', 'serve no page')
    .option('--json', 'print one JSON object per line on standard output, and no other text')
    .option('--identity <file>', "file that holds the keys of the cluster's app while the cluster runs, for commands such as derive", DEFAULT_IDENTITY_FILE)
    .addHelpText('after', EXAMPLES);
}

export function devOptionsOf(command: Command): DevOptions {
  const given = command.opts<Pick<DevOptions, 'nodes' | 'tickSeconds' | 'generation' | 'basePort' | 'identity'> & Partial<DevOptions> & { readonly visualizerPort: number; readonly visualizer: boolean }>();
  const { visualizer, visualizerPort, ...others } = given;
  return { once: false, json: false, ...others, visualizerPort: visualizer ? visualizerPort : null };
}
