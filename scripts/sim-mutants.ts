/**
 * `npm run sim:mutants`: is the simulator worth anything? Faults are put back into the product one at a time, and the simulator
 * must find each. What finds one must find nothing on the unchanged sources with the same seed: a control runs beside.
 */
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { Command } from 'commander';
import { alignColumns } from '../src/cli/table.ts';
import { wholeNumber } from '../src/cli/option-values.ts';
import { onStopSignals } from '../src/cli/stop-signals.ts';
import { Copies, mutate } from './sim-mutants/copies.ts';
import type { Mutant, Runs } from './sim-mutants/mutant.ts';
import { MUTANTS } from './sim-mutants/mutants.ts';
import { SeedsProcesses, type Ending } from './sim-mutants/seeds-process.ts';

/** Seeds that a mutant must be found within. */
const SEEDS = Array.from({ length: 30 }, (_, place) => String(place + 1));
/** Seeds that the unchanged sources must pass before any mutant runs, with each kind of runs. */
const FIRST_SEEDS = SEEDS.slice(0, 1);
const STOPPED_CODE = 130;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const whisper = (line: string): void => void process.stderr.write(`${line}\n`);

interface Row {
  readonly mutant: Mutant;
  readonly caught: boolean;
  readonly seed: string;
  readonly simulated: string;
  readonly by: string;
  readonly wallMs: number;
}

interface Options {
  readonly only?: readonly string[];
  readonly jobs: number;
  readonly list?: true;
}

function readOptions(): Options {
  return new Command('npm run sim:mutants --')
    .description('Puts faults back into the product, one at a time, and has the simulator find them. Exit code 0 when it finds all.')
    .option('--only <names...>', 'these mutants, by name or by section')
    .option('--jobs <n>', 'mutants at once', wholeNumber(1, 256), availableParallelism())
    .option('--list', 'say what there is, and run nothing')
    .helpOption('-h, --help', 'say all this')
    .showSuggestionAfterError(false)
    .parse(process.argv)
    .opts<Options>();
}

/** The unchanged sources: each run is asked for once. */
class Control {
  readonly #root: string;
  readonly #processes: SeedsProcesses;
  readonly #known = new Map<string, Promise<Ending>>();

  constructor(root: string, processes: SeedsProcesses) {
    this.#root = root;
    this.#processes = processes;
  }

  get runs(): number {
    return this.#known.size;
  }

  run(runs: Runs, seed: string): Promise<Ending> {
    const id = `${JSON.stringify(runs)} ${seed}`;
    const known = this.#known.get(id) ?? this.#processes.run({ root: this.#root, runs, seeds: [seed] });
    this.#known.set(id, known);
    return known;
  }
}

async function inParallel<Item>(items: readonly Item[], jobs: number, work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker));
}

async function judge(mutant: Mutant, copies: Copies, processes: SeedsProcesses, control: Control): Promise<Row> {
  const startedMs = performance.now();
  const { runs = {} } = mutant;
  const root = copies.make(mutant);
  const ending = await processes.run({ root, runs, seeds: SEEDS });
  copies.remove(root);
  const wallMs = performance.now() - startedMs;
  if (ending.kind === 'held') return { mutant, caught: false, seed: '', simulated: '', by: `NOT CAUGHT by ${SEEDS.length} seeds`, wallMs };
  const { seed } = ending;
  const simulated = ending.kind === 'broken' ? (ending.atMs / 1_000).toFixed(1) : '';
  const by = ending.kind === 'broken' ? `${ending.invariant}: ${ending.detail}` : `${ending.kind}: ${ending.detail}`;
  const unchanged = await control.run(runs, seed);
  if (unchanged.kind !== 'held') return { mutant, caught: false, seed, simulated, by: `NOT CAUGHT: the unchanged sources fail, too: ${describe(unchanged)}`, wallMs };
  return { mutant, caught: true, seed, simulated, by, wallMs };
}

function describe(ending: Ending): string {
  return ending.kind === 'broken' ? `${ending.invariant}: ${ending.detail}` : ending.kind;
}

function tableOf(rows: readonly Row[]): readonly string[] {
  const head = ['mutant', 'section', 'seed', 'after s', 'wall s', 'caught by'];
  return alignColumns([head, ...rows.map(({ mutant, seed, simulated, by, wallMs }) => [mutant.name, mutant.section, seed, simulated, (wallMs / 1_000).toFixed(1), by])]);
}

function wanted(only: readonly string[] | undefined): readonly Mutant[] {
  if (only === undefined) return MUTANTS;
  for (const name of only) if (!MUTANTS.some((mutant) => mutant.name === name || mutant.section === name)) throw new Error(`there is no mutant ${name}`);
  return MUTANTS.filter(({ name, section }) => only.includes(name) || only.includes(section));
}

async function main(): Promise<number> {
  const { only, jobs, list } = readOptions();
  const mutants = wanted(only);
  // All of the table, whatever runs: it must fit the sources.
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
  const kinds = [...new Map(mutants.map(({ runs = {} }) => [JSON.stringify(runs), runs])).values()];
  const broken: string[] = [];
  await inParallel(kinds.flatMap((runs) => FIRST_SEEDS.map((seed) => ({ runs, seed }))), jobs, async ({ runs, seed }) => {
    const ending = await control.run(runs, seed);
    if (ending.kind !== 'held') broken.push(`seed ${seed} ${JSON.stringify(runs)}: ${describe(ending)}`);
  });
  if (broken.length > 0) {
    for (const line of broken) say(`the unchanged sources fail, ${line}`);
    return 1;
  }
  whisper(`control: the unchanged sources pass ${control.runs} runs`);

  const rows: Row[] = [];
  await inParallel(mutants, jobs, async (mutant) => {
    const row = await judge(mutant, copies, processes, control);
    rows.push(row);
    whisper(`${rows.length} of ${mutants.length}: ${mutant.name}: ${row.caught ? `seed ${row.seed}, ` : ''}${row.by}`);
  });
  const order = new Map(mutants.map((mutant, place) => [mutant, place]));
  rows.sort((a, b) => order.get(a.mutant)! - order.get(b.mutant)!);
  for (const line of tableOf(rows)) say(line);
  const caught = rows.filter((row) => row.caught).length;
  say('');
  say(`control: the unchanged sources pass ${control.runs} runs, among them each that caught a mutant`);
  say(`${caught} of ${rows.length} mutants caught in ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`);
  return caught === rows.length ? 0 : 1;
}

process.exitCode = await main();
