/** The options of `npm start`: read, checked and explained. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { MAX_NODES } from '../dev/cluster.ts';
import { MAX_PORT, wholeNumber } from './option-values.ts';

export interface DevOptions {
  readonly nodes: number;
  readonly tickSeconds: number;
  /** 0: any free ones. */
  readonly basePort: number;
  readonly once: boolean;
  readonly json: boolean;
  /** Port of the page that shows the cluster, 0: any free one; null: there is none. */
  readonly visualizerPort: number | null;
  /** Stop when standard input closes. */
  readonly exitWithParent: boolean;
}

const DEFAULT_NODES = 3;
const DEFAULT_TICK_SECONDS = 5;
const DAY_SECONDS = 86_400;

const DESCRIPTION =
  'A Nova KMS cluster on this machine: a development chain with both contracts, and nodes that each have an enclave emulator ' +
  'of their own. Shows how they become ready, derives one key from every node, checks that the answers are signed and equal, ' +
  'prints a table, and runs on until Ctrl-C. A page shows it, with buttons that break things. Everything ' +
  'stays on loopback and ends with this command.';

const EXAMPLES = `
Examples:
  npm start
  npm start -- --once                       exit after the table
  npm start -- --nodes 5 --base-port 8000   nodes at ports 8000 to 8004
  npm start -- --visualizer-port 9000       the page that shows the cluster, at that port
  npm start --silent -- --once --json       --silent keeps npm's own lines out

Exit code: 0 after --once with a good table, or when stopped in order; 1 with the
reason in one line on standard error; 130 after a second Ctrl-C, which waits for
nothing.`;

/** As KMS_NODE_TICK_SECONDS takes it. */
function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}(\.\d{1,3})?$/.test(text) || value < 1 || value > DAY_SECONDS) {
    throw new InvalidArgumentError(`It must be a number of seconds from 1 to ${DAY_SECONDS}.`);
  }
  return value;
}

/** Ends the process after --help, and with one line after options that cannot be read. */
export function readDevOptions(argv: readonly string[]): DevOptions {
  const given = new Command('npm start --')
    .description(DESCRIPTION)
    .usage('[options]')
    .option('--nodes <n>', `number of nodes, 1 to ${MAX_NODES}`, wholeNumber(1, MAX_NODES), DEFAULT_NODES)
    .option('--tick-seconds <s>', 'heartbeat of each node (KMS_NODE_TICK_SECONDS)', seconds, DEFAULT_TICK_SECONDS)
    .option('--base-port <p>', 'port of the first node, the others follow; 0: any that are free', wholeNumber(0, MAX_PORT), 0)
    .option('--once', 'exit after the table')
    .option('--visualizer-port <p>', 'port of the page that shows the cluster; 0: any that is free', wholeNumber(0, MAX_PORT), 0)
    .option('--no-visualizer', 'no page that shows the cluster')
    .option('--json', 'one JSON object per line on standard output, and no other text')
    .addOption(new Option('--exit-with-parent', 'stop when standard input closes').hideHelp())
    .helpOption('-h, --help', 'say all this')
    .addHelpText('after', EXAMPLES)
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .parse([...argv], { from: 'user' })
    .opts<Pick<DevOptions, 'nodes' | 'tickSeconds' | 'basePort'> & Partial<DevOptions> & { readonly visualizerPort: number; readonly visualizer: boolean }>();
  const { visualizer, visualizerPort, ...others } = given;
  return { once: false, json: false, exitWithParent: false, ...others, visualizerPort: visualizer ? visualizerPort : null };
}
