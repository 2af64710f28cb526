/** `nova-kms sim`: simulates whole clusters from seeds, and reports which invariants were kept. */
import type { Command } from 'commander';
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import { makeScenario } from '../../sim/make-scenario.ts';
import { shrink } from '../../sim/shrink.ts';
import { simulate, type SimulationResult } from '../../sim/simulate.ts';
import { formatStory, parseStory, playStory, storyOf, type Story } from '../../sim/story.ts';
import { systemClock } from '../../system/system.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { defineSimOptions, scenarioOptionsOf, simOptionsOf, type SimOptions } from './options.ts';
import { progressLine, replayCommand, summaryLines, sumOf } from './report.ts';

/** Maximum number of runs in the search for a smaller scenario that still fails. */
const SHRINK_RUNS = 400;
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const whisper = (line: string): void => void process.stderr.write(`${line}\n`);

export const define = defineSimOptions;

export async function run(command: Command): Promise<number> {
  const options = simOptionsOf(command);
  if (options.story !== null) return playFile(options.story, options.update);
  if (options.trace !== null || options.events !== null) return runWritten(options);
  const startedMs = systemClock.monotonicMs();
  const results = await runSeeds(options);
  for (const line of summaryLines(sumOf(results), (systemClock.monotonicMs() - startedMs) / 1_000)) say(line);
  const failed = results.filter(({ violation }) => violation !== null);
  if (failed.length === 0) return EXIT.done;
  for (const result of failed) showFailure(result, options);
  if (options.shrink) await shrinkFirst(failed[0]!, options);
  return EXIT.failed;
}

function showFailure({ seed, violation, lastLines }: SimulationResult, options: SimOptions): void {
  say('');
  for (const line of lastLines.slice(-SHOWN_LINES)) say(line);
  say(`seed ${seed} broke a rule at ${((violation?.atMs ?? 0) / 1_000).toFixed(3)} s: ${violation?.invariant}`);
  say(`  ${violation?.detail}`);
  say(`  repeat it with: ${replayCommand(seed, options)}`);
}

const SHOWN_LINES = 30;

/** Simulates the scenario of one seed. Writes the trace, and the events for the visualiser, to the files that the options name, if any. */
async function runWritten(options: SimOptions): Promise<number> {
  const [seed] = options.seeds;
  const files: WriteStream[] = [];
  const lost: CommandError[] = [];
  const into = async (path: string): Promise<(line: string) => void> => {
    const unwritable = (error: NodeJS.ErrnoException): CommandError => new CommandError(`${path} cannot be written (${error.code ?? 'unknown'})`);
    const file = createWriteStream(path);
    await once(file, 'open').catch((error: unknown) => {
      throw unwritable(error as NodeJS.ErrnoException);
    });
    file.on('error', (error) => void lost.push(unwritable(error)));
    files.push(file);
    return (line) => void file.write(`${line}\n`);
  };
  const [onTrace, onEvent] = [options.trace === null ? null : await into(options.trace), options.events === null ? null : await into(options.events)];
  const startedMs = systemClock.monotonicMs();
  const result = await simulate(makeScenario(scenarioOptionsOf(options, seed!)), {
    onProgress: progressOf(options),
    ...(onTrace === null ? {} : { onTrace }),
    ...(onEvent === null ? {} : { onEvent }),
    ...(options.until === null ? {} : { until: options.until }),
  });
  for (const file of files) {
    file.end();
    if (!file.closed) await once(file, 'close').catch(() => undefined);
  }
  if (lost[0] !== undefined) throw lost[0];
  for (const line of summaryLines(sumOf([result]), (systemClock.monotonicMs() - startedMs) / 1_000)) say(line);
  if (result.violation === null) return EXIT.done;
  showFailure(result, options);
  return EXIT.failed;
}

/** Runs all seeds, in parallel on all processors. */
async function runSeeds(options: SimOptions): Promise<SimulationResult[]> {
  const { seeds, until } = options;
  if (seeds.length === 1) {
    const scenario = makeScenario(scenarioOptionsOf(options, seeds[0]!));
    return [await simulate(scenario, { onProgress: progressOf(options), ...(until === null ? {} : { until }) })];
  }
  const left = [...seeds];
  const results: SimulationResult[] = [];
  const startedMs = systemClock.monotonicMs();
  let saidMs = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));
    const gone = new AbortController();
    worker.once('exit', () => gone.abort(new Error('a worker ended before it reported the result of its seed')));
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      worker.postMessage({ options: scenarioOptionsOf(options, seed), until });
      const [result] = (await once(worker, 'message', { signal: gone.signal })) as [SimulationResult];
      results.push(result);
      const nowMs = systemClock.monotonicMs();
      if (nowMs - saidMs > PROGRESS_EVERY_MS || result.violation !== null) {
        saidMs = nowMs;
        whisper(progressLine(results, seeds.length, (nowMs - startedMs) / 1_000));
      }
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.min(seeds.length, availableParallelism()) }, work));
  return results.sort((a, b) => seeds.indexOf(a.seed) - seeds.indexOf(b.seed));
}

const PROGRESS_EVERY_MS = 5_000;

/** Reports the progress of one long run. */
function progressOf({ hours }: SimOptions): (simulatedMs: number) => void {
  let saidMs = systemClock.monotonicMs();
  return (simulatedMs) => {
    const nowMs = systemClock.monotonicMs();
    if (nowMs - saidMs < PROGRESS_EVERY_MS) return;
    saidMs = nowMs;
    whisper(`${(simulatedMs / HOUR_MS).toFixed(2)} of ${hours} simulated hours`);
  };
}

const HOUR_MS = 3_600_000;

async function shrinkFirst(failed: SimulationResult, options: SimOptions): Promise<void> {
  say('');
  say(`shrinking seed ${failed.seed} ..`);
  const small = await shrink(makeScenario(scenarioOptionsOf(options, failed.seed)), failed, {
    maxRuns: SHRINK_RUNS,
    onProgress: (runs, steps) => whisper(`${runs} runs, ${steps} steps left`),
  });
  const story = await playStory(storyOf(small.scenario, [`Found by seed ${failed.seed}: ${small.result.violation?.invariant ?? ''}`]));
  const path = `seed-${failed.seed}.story`;
  await writeFile(path, formatStory(story));
  say(`${small.scenario.nodes} nodes and ${small.scenario.steps.length} steps are left after ${small.runs} runs: ${path}`);
}

/** @throws CommandError for a file that is not a story, because --update must not overwrite such a file */
function readStory(path: string): { readonly text: string; readonly story: Story } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, EXIT.usage);
  }
  const story = parseStory(text);
  if (story.commands[0]?.command.startsWith('cluster') !== true) throw new CommandError(`${path} is not a story: a story begins with \`> cluster\``, EXIT.usage);
  return { text, story };
}

/** Plays a story, then compares the output with the file, or updates the file. */
async function playFile(path: string, update: boolean): Promise<number> {
  const { text, story } = readStory(path);
  const played = formatStory(await playStory(story));
  if (update) {
    await writeFile(path, played);
    return EXIT.done;
  }
  process.stdout.write(played);
  if (played === text) return EXIT.done;
  whisper(`the results differ from those in ${path}`);
  return EXIT.failed;
}
