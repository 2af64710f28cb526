/**
 * `npm run fuzz` sends random input to all code that reads input from outside: raw HTTP and inner bodies to a node's production HTTP
 * server, random values to all parsers, URLs of all forms to the configuration, and random answers to the code that calls peers, nodes, RPCs
 * and enclaves. Targets take turns, one batch each, until the time is up. When a case breaks a rule, the fuzzer shrinks the case, prints it
 * with its seed and exits with 1. The same seed repeats the failure.
 */
import process from 'node:process';
import { Command } from 'commander';
import fc from 'fast-check';
import { wholeNumber } from '../src/cli/option-values.ts';
import { enclaveAnswers } from './fuzz/enclave-answers.ts';
import { enclaveConnections } from './fuzz/enclave-connections.ts';
import { fragments } from './fuzz/fragments.ts';
import { hangUps } from './fuzz/hang-ups.ts';
import { innerBodies } from './fuzz/inner-bodies.ts';
import { nodeAnswers } from './fuzz/node-answers.ts';
import { oddRecords } from './fuzz/odd-records.ts';
import { parsers } from './fuzz/parsers.ts';
import { peerAnswers } from './fuzz/peer-answers.ts';
import { rawHttp } from './fuzz/raw-http.ts';
import { rpcAnswers } from './fuzz/rpc-answers.ts';
import { shownUrls } from './fuzz/shown-urls.ts';
import type { Target } from './fuzz/target.ts';

const TARGETS: readonly Target[] = [rawHttp, hangUps, fragments, innerBodies, oddRecords, parsers, peerAnswers, nodeAnswers, rpcAnswers, enclaveAnswers, enclaveConnections, shownUrls];
/** The largest seed: a seed of fast-check is a signed 32-bit number. */
const MAX_SEED = 2 ** 31 - 1;
const DEFAULT_SECONDS = 60;
const DAY_SECONDS = 86_400;

interface Options {
  readonly seconds: number;
  readonly seed?: number;
  readonly target?: string;
}

const options = new Command('fuzz')
  .description(`Sends random input to a node's code until the time is up. Targets: ${TARGETS.map(({ name }) => name).join(', ')}.`)
  .option('--seconds <n>', 'length of the run in seconds', wholeNumber(1, DAY_SECONDS), DEFAULT_SECONDS)
  .option('--seed <n>', 'seed of the first batch; with --target: run only this batch, to repeat a failure', wholeNumber(0, MAX_SEED))
  .option('--target <name>', 'run only this target')
  .parse()
  .opts<Options>();

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const wanted = TARGETS.filter(({ name }) => options.target === undefined || name === options.target);
if (wanted.length === 0) {
  process.stderr.write(`There is no target ${options.target}: the targets are ${TARGETS.map(({ name }) => name).join(', ')}.\n`);
  process.exit(2);
}

/** @returns how the batch failed; null when it passed */
async function runBatch({ cases, batch, start }: Target, seed: number): Promise<string | null> {
  const running = await start();
  try {
    const property = fc.asyncProperty(cases, (given) => running.check(given));
    const details = await fc.check(property, { seed, numRuns: batch, includeErrorInReport: true });
    return details.failed ? fc.defaultReportMessage(details) ?? 'it failed' : null;
  } finally {
    await running.close();
  }
}

const isReplay = options.seed !== undefined && options.target !== undefined;
const firstSeed = options.seed ?? Math.floor(Math.random() * MAX_SEED);
const endsAtMs = performance.now() + options.seconds * 1_000;
const ran = new Map(wanted.map(({ name }) => [name, 0]));
say(`seed ${firstSeed}, ${options.seconds} s: ${wanted.map(({ name }) => name).join(', ')}`);

let seed = firstSeed;
do {
  for (const target of wanted) {
    const failure = await runBatch(target, seed).catch((error: unknown) => `the batch could not run: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    if (failure !== null) {
      say(`\n${target.name} broke a rule; repeat the failure with: npm run fuzz -- --target ${target.name} --seed ${seed}\n${failure}`);
      process.exit(1);
    }
    ran.set(target.name, ran.get(target.name)! + target.batch);
    if (performance.now() >= endsAtMs) break;
  }
  seed = (seed + 1) % MAX_SEED;
} while (!isReplay && performance.now() < endsAtMs);
say([...ran].map(([name, count]) => `${name}: ${count} cases`).join('\n'));
process.exit(0);
