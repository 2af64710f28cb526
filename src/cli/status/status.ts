/** `nova-kms status`: shows every node of a cluster on one screen, once or after each change. */
import type { Command } from 'commander';
import process from 'node:process';
import { sleep } from '../../domain/deadline.ts';
import { PeerTransport } from '../../net/peer-transport.ts';
import { systemClock } from '../../system/system.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { requireNodeUrl } from '../node-url.ts';
import { secondsBetween, wholeNumber } from '../option-values.ts';
import { plainJson } from '../plain-text.ts';
import { readProxy } from '../proxy.ts';
import { onStopSignals } from '../stop-signals.ts';
import { takesColours, takesCursor } from '../terminal.ts';
import type { StatusAnswer } from './answer.ts';
import { changeKey, reportOf, type ClusterReport } from './report.ts';
import { openScreen } from './screen.ts';
import { compareStores, storesLine } from './stores.ts';
import { takeSurvey, type Survey } from './survey.ts';
import { statusLines } from './text.ts';

const MAX_NODES = 1_024;
const MAX_LIMIT_SECONDS = 60;
const MAX_PAUSE_SECONDS = 3_600;

const MORE = `
Asks all given nodes, and the members that they list, in parallel. A node that does
not answer within the limit is shown with the reason. Answers are not signed: people and
monitors may use them, but they do not prove that a node can be trusted.

With --watch, the screen of a terminal is redrawn until Ctrl-C. If the output is not a
terminal, a block (with --json, one line) is printed whenever a node's state, reason,
members, secret or backlog changes.

Examples:
  nova-kms status http://127.0.0.1:8000
  nova-kms status --watch node-1.example:8000 node-2.example:8000
  nova-kms status --json http://127.0.0.1:8000 | jq '.nodes[] | select(.state != "ready")'

Exit codes:
  0    all nodes are ready and have the same master secret, or Ctrl-C ended --watch
  1    no node answered
  2    the command line is invalid
  3    a node is not ready or not reachable, or was not asked (--max-nodes), or the nodes
       have different master secrets or KMS apps, or, with --verify, different stores`;

interface StatusOptions {
  readonly watch?: boolean;
  readonly verify?: boolean;
  readonly json?: boolean;
  /** False when --no-discover is given. */
  readonly discover: boolean;
  readonly every: number;
  readonly limit: number;
  readonly maxNodes: number;
}

export function define(command: Command): void {
  command
    .argument('<url...>', 'URL of a node; one node of a cluster is enough')
    .option('--watch', 'repeat until Ctrl-C')
    .option('--verify', 'also compare the stores of the ready nodes')
    .option('--json', 'print one JSON object on one line')
    .option('--every <seconds>', 'with --watch: seconds between two rounds of requests', secondsBetween(0.1, MAX_PAUSE_SECONDS), 2)
    .option('--limit <seconds>', 'time limit for all answers together', secondsBetween(0.1, MAX_LIMIT_SECONDS), 3)
    .option('--max-nodes <n>', 'maximum number of nodes to ask', wholeNumber(1, MAX_NODES), 64)
    .option('--no-discover', 'ask only the given nodes')
    .addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const [given] = command.processedArgs as [readonly string[]];
  const options = command.opts<StatusOptions>();
  if (options.watch !== true && command.getOptionValueSource('every') === 'cli') throw new CommandError('--every sets how often --watch asks: give both', EXIT.usage);
  if (options.verify === true && options.watch === true) throw new CommandError('--verify compares only once: give it without --watch', EXIT.usage);
  const urls = [...new Set(given.map(requireNodeUrl))];
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  const transport = new PeerTransport({ inEnclave: false, proxy: readProxy(process.env) }, { clock: systemClock });
  const look = async (before: Survey | null): Promise<Survey> =>
    takeSurvey(
      { urls, known: before?.members ?? [], discover: options.discover, timeoutMs: Math.round(options.limit * 1_000), maxNodes: options.maxNodes },
      { transport, clock: systemClock },
      stopping.signal,
    );
  try {
    if (options.watch === true) return await watch(options, look, stopping.signal, stop);
    const survey = await look(null);
    const report = reportOf(survey);
    if (options.verify !== true) {
      for (const line of shown(report, options)) process.stdout.write(`${line}\n`);
      return exitCodeOf(report);
    }
    const compared = await compareStores(statusesAfter(survey, look), systemClock, stopping.signal);
    const lines = options.json === true ? [plainJson({ ...report, stores: compared })] : [...shown(report, options), storesLine(compared)];
    for (const line of lines) process.stdout.write(`${line}\n`);
    return compared.stores > 1 ? EXIT.no : exitCodeOf(report);
  } finally {
    await transport.close();
  }
}

/** The first call returns the statuses of the first survey; each later call makes a new survey and returns its statuses. */
function statusesAfter(first: Survey, look: (before: Survey) => Promise<Survey>): () => Promise<readonly (StatusAnswer | null)[]> {
  let survey: Survey | null = null;
  return async () => {
    survey = survey === null ? first : await look(survey);
    return survey.nodes.map(({ answer }) => answer);
  };
}

export function exitCodeOf({ ready, nodes }: ClusterReport): number {
  if (ready) return EXIT.done;
  return nodes.every(({ state }) => state === 'unreachable') ? EXIT.failed : EXIT.no;
}

function shown(report: ClusterReport, { json, watch: watching }: StatusOptions): readonly string[] {
  if (json === true) return [plainJson(report)];
  // Only a screen that is redrawn has limited space.
  const screen = watching === true && takesCursor(process.stdout);
  return statusLines(report, {
    colours: takesColours(process.stdout),
    // A terminal of unknown size reports 0.
    columns: screen ? process.stdout.columns || null : null,
    rows: screen ? process.stdout.rows || null : null,
  });
}

async function watch(options: StatusOptions, look: (before: Survey | null) => Promise<Survey>, signal: AbortSignal, stop: () => void): Promise<number> {
  const cursor = takesCursor(process.stdout) && options.json !== true;
  const screen = openScreen({ write: (text) => process.stdout.write(text), cursor });
  onStopSignals(stop, () => {
    screen.end();
    process.exit(EXIT.interrupted);
  });
  // An error means that the reader has closed the pipe.
  process.stdout.on('error', stop);
  let survey: Survey | null = null;
  let said: string | null = null;
  try {
    while (!signal.aborted) {
      survey = await look(survey);
      // An aborted survey contains no information about the nodes.
      if (isAborted(signal)) break;
      const report = reportOf(survey);
      const key = changeKey(report);
      if (cursor || key !== said) {
        const lines = shown(report, options);
        if (options.json === true) process.stdout.write(`${lines.join('\n')}\n`);
        else screen.draw(lines);
      }
      said = key;
      await sleep(systemClock, options.every * 1_000, signal).catch(() => undefined);
    }
  } finally {
    screen.end();
  }
  return EXIT.done;
}

/** Reads the signal in a function, because it may be aborted during an `await`, but the compiler assumes that it cannot be. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
