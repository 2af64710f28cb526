/**
 * `npm run sim:mutants` tests the simulator. It puts known faults back into the product, one at a time, and the simulator must find each of
 * them. A control run checks that the unchanged sources pass with the seed that found a fault.
 */
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { Command } from 'commander';
import { alignColumns } from '../src/cli/table.ts';
import { wholeNumber } from '../src/cli/option-values.ts';
import { onStopSignals } from '../src/cli/stop-signals.ts';
import { chosen, commaSeparated, partOf, type Part } from './sim-mutants/choice.ts';
import { Control } from './sim-mutants/control.ts';
import { Copies, mutate } from './sim-mutants/copies.ts';
import { Hunt } from './sim-mutants/hunt.ts';
import { MUTANTS } from './sim-mutants/mutants.ts';
import { SeedsProcesses, wordsOf } from './sim-mutants/seeds-process.ts';

/** Each mutant must be found by at least one of these seeds. */
const SEEDS = Array.from({ length: 30 }, (_, place) => String(place + 1));
const STOPPED_CODE = 130;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

type Verdict = 'caught' | 'missed' | 'control failed';

interface Options {
  readonly only?: readonly string[];
  readonly part?: Part;
  readonly jobs: number;
  readonly list?: true;
}

function readOptions(): Options {
  return new Command('npm run sim:mutants --')
    .description('Puts known faults back into the product one at a time and runs the simulator on each. The exit code is 0 if the simulator finds all of them.')
    .option('--only <names>', 'run only these mutants, by name or by section, separated by commas', commaSeparated)
    .option('--part <k/n>', 'run only the k-th of n parts, so that the parts can run at different times or on different machines', partOf)
    .option('--jobs <n>', 'number of processes that run at the same time', wholeNumber(1, 256), availableParallelism())
    .option('--list', 'list the mutants and run none')
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError(false)
    .parse(process.argv)
    .opts<Options>();
}

/** The verdict on a hunt that has ended, and one line that explains the verdict. */
async function judge({ mutant, runs, finding, wallMs }: Hunt, control: Control): Promise<{ readonly verdict: Verdict; readonly words: string }> {
  const took = `${(wallMs / 1_000).toFixed(0)} s of work`;
  if (finding === null) return { verdict: 'missed', words: `${mutant.name} (${mutant.section}) by ${SEEDS.length} seeds, ${took}` };
  const found = `${mutant.name} (${mutant.section}) by seed ${finding.seed}, ${took}: ${wordsOf(finding)}`;
  const unchanged = await control.run(runs, finding.seed);
  if (unchanged.kind === 'held') return { verdict: 'caught', words: found };
  return { verdict: 'control failed', words: `${found}; the unchanged sources fail as well: ${wordsOf(unchanged)}` };
}

/**
 * Runs all hunts, with at most `jobs` processes at a time. Each of the `jobs` workers stays with one hunt until that hunt has no seeds left
 * to start. When no hunt is left to start, a worker takes seeds from a running hunt.
 * @param onOver called once for each hunt that has ended
 */
async function runAll(hunts: readonly Hunt[], jobs: number, onOver: (hunt: Hunt) => Promise<void>): Promise<void> {
  const waiting = [...hunts];
  const next = (): Hunt | undefined => waiting.shift() ?? hunts.find((hunt) => hunt.hasSeeds);
  const work = async (): Promise<void> => {
    for (let hunt = next(); hunt !== undefined; hunt = next()) {
      while (hunt.hasSeeds) await hunt.runPortion();
      if (hunt.endsNow()) await onOver(hunt);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
}

async function main(): Promise<number> {
  const { only, part, jobs, list } = readOptions();
  const mutants = chosen(MUTANTS, only, part);
  // This checks the whole table, even if only some mutants run: every row must match the sources.
  for (const mutant of MUTANTS) mutate(mutant);
  if (list === true) {
    for (const line of alignColumns(mutants.map(({ name, section, what }) => [name, section, what]))) say(line);
    return 0;
  }
  const copies = new Copies();
  const processes = new SeedsProcesses();
  const end = (): void => {
    processes.killAll();
    copies.removeAll();
  };
  process.once('exit', end);
  onStopSignals(() => process.exit(STOPPED_CODE), () => process.exit(STOPPED_CODE));

  const startedMs = performance.now();
  const control = new Control(copies.unchanged, processes);
  const counts: Record<Verdict, number> = { caught: 0, missed: 0, 'control failed': 0 };
  const failures: string[] = [];
  let judged = 0;
  await runAll(mutants.map((mutant) => new Hunt(mutant, SEEDS, { copies, processes })), jobs, async (hunt) => {
    const { verdict, words } = await judge(hunt, control);
    counts[verdict] += 1;
    judged += 1;
    if (verdict !== 'caught') failures.push(`${verdict}: ${words}`);
    say(`[${judged}/${mutants.length}] ${verdict}: ${words}`);
  });
  say('');
  for (const failure of failures) say(failure);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
  say(`${mutants.length} mutants: ${counts.caught} caught, ${counts.missed} missed, ${counts['control failed']} control failures, in ${seconds} s`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
