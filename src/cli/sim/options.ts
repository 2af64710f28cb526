/** Defines and parses the options of `nova-kms sim`. */
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { SETTINGS } from '../../config/settings.ts';
import { FAULT_PROFILES, faultProfile, type FaultLevel, type FaultProfile } from '../../sim/faults/fault-profiles.ts';
import type { ScenarioOptions } from '../../sim/make-scenario.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../option-values.ts';

export interface SimOptions {
  readonly seeds: readonly string[];
  readonly nodes: number;
  readonly apps: number;
  readonly hours: number;
  /** The name of a fault level, or the path of the file with the fault rates. */
  readonly faultsName: string;
  readonly faults: FaultProfile;
  readonly requests: number;
  /** Environment variables of the nodes. */
  readonly settings: Readonly<Record<string, string>>;
  readonly trace: string | null;
  /** Path of the file for the visualiser's events. */
  readonly events: string | null;
  readonly until: string | null;
  readonly shrink: boolean;
  readonly story: string | null;
  readonly update: boolean;
}

const DESCRIPTION =
  'Simulates whole clusters in one process. Clock, network, chain and enclaves are virtual, and one seed decides every choice. The ' +
  'nodes run the code of the product. The rules are checked after every event. When the faults have ended, the cluster must recover.';

const EXAMPLES = `
Examples:
  npm run sim -- --seed 7
  npm run sim -- --seeds 1..200 --nodes 5 --hours 0.5 --faults default
  npm run sim -- --seed 7 --trace seed-7.trace
  npm run sim -- --seed 7 --events seed-7.jsonl
  npm run sim -- --story test/simulation/stories/split-claim.story

Exit codes:
  0    no rule was broken
  1    a rule was broken; the output names the seed and the command that repeats it
  2    an option is invalid`;

const MAX_SEEDS = 100_000;
const HOUR_MS = 3_600_000;

function numberBetween(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d{1,6}(?:\.\d{1,6})?$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    }
    return value;
  };
}

const VARIABLES = new Map(Object.values(SETTINGS).map(({ variable, read }) => [variable, read as (text: string) => unknown]));

function readSetting(text: string, before: Record<string, string>): Record<string, string> {
  const match = /^([A-Z][A-Z_]*)=(.*)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be a variable and its value, such as DATA_SYNC_NUDGE_MS=0.');
  const [, variable, value] = match as unknown as [string, string, string];
  const read = VARIABLES.get(variable);
  if (read === undefined) throw new InvalidArgumentError(`${variable} is not a variable of a node.`);
  try {
    read(value);
  } catch (error) {
    throw new InvalidArgumentError(`${variable} ${error instanceof Error ? error.message : 'cannot be read'}.`);
  }
  return { ...before, [variable]: value };
}

function seedRange(text: string): readonly string[] {
  const match = /^(\d{1,9})\.\.(\d{1,9})$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || to < from || to - from >= MAX_SEEDS) throw new InvalidArgumentError('It must be two numbers, such as 1..200.');
  return Array.from({ length: to - from + 1 }, (_, place) => String(from + place));
}

function readFaults(text: string): { readonly name: string; readonly profile: FaultProfile } {
  if (Object.hasOwn(FAULT_PROFILES, text)) return { name: text, profile: FAULT_PROFILES[text as FaultLevel] };
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(text, 'utf8'));
  } catch {
    throw new InvalidArgumentError(`It must be ${Object.keys(FAULT_PROFILES).join(', ')} or a JSON file that can be read.`);
  }
  const parsed = faultProfile.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InvalidArgumentError(`In the file, ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is not a profile of faults'}.`);
  }
  return { name: text, profile: parsed.data };
}

interface Given {
  seed?: string;
  seeds?: readonly string[];
  nodes: number;
  apps: number;
  hours: number;
  faults: ReturnType<typeof readFaults>;
  requests: number;
  set: Record<string, string>;
  trace?: string;
  events?: string;
  until?: string;
  shrink?: boolean;
  story?: string;
  update?: boolean;
}

/** Options that do not apply to a story, because a story has its own scenario. */
const OF_A_SCENARIO = ['nodes', 'apps', 'hours', 'faults', 'requests', 'set', 'trace', 'events', 'until', 'shrink'];

export function defineSimOptions(command: Command): void {
  command
    .description(DESCRIPTION)
    .addOption(new Option('--seed <text>', 'one seed').conflicts(['seeds', 'story']))
    .addOption(new Option('--seeds <A..B>', 'all seeds in this range, on all processors').argParser(seedRange).conflicts(['trace', 'events', 'story']))
    .option('--nodes <n>', 'nodes at the start', wholeNumber(1, 32), 5)
    .option('--apps <n>', 'apps that send requests', wholeNumber(1, 100), 2)
    .option('--hours <h>', 'simulated time until the faults end', numberBetween(0.001, 1_000), 0.5)
    .addOption(new Option('--faults <level>', 'none, light, default, brutal, or a JSON file of rates').argParser(readFaults).default(readFaults('default'), 'default'))
    .option('--requests <n>', 'requests per simulated second, from all apps together', numberBetween(0, 1_000), 0.2)
    .addOption(new Option('--set <NAME=value>', 'an environment variable of the nodes; can be repeated').argParser(readSetting).default({}, 'none'))
    .option('--trace <file>', 'write the trace to this file (only with one seed)')
    .option('--events <file>', 'write events for the visualiser to this file (only with one seed); show them with npm run visualize -- <file>')
    .option('--until <text>', 'stop at the first line of the trace that contains this text')
    .addOption(new Option('--shrink', 'reduce the first failing scenario, and write it to a story file').conflicts(['trace', 'events']))
    .addOption(new Option('--story <file>', 'play a story and compare its results').conflicts(OF_A_SCENARIO))
    .option('--update', 'with --story: write the results into the file')
    .addHelpText('after', EXAMPLES);
}

export function simOptionsOf(command: Command): SimOptions {
  const given = command.opts<Given>();
  if (given.update === true && given.story === undefined) throw new CommandError('--update needs a --story: give both', EXIT.usage);
  if (given.trace !== undefined && given.trace === given.events) throw new CommandError('--trace and --events name the same file: give two different names', EXIT.usage);
  return {
    seeds: given.seeds ?? [given.seed ?? '1'],
    nodes: given.nodes,
    apps: given.apps,
    hours: given.hours,
    faultsName: given.faults.name,
    faults: given.faults.profile,
    requests: given.requests,
    settings: given.set,
    trace: given.trace ?? null,
    events: given.events ?? null,
    until: given.until ?? null,
    shrink: given.shrink ?? false,
    story: given.story ?? null,
    update: given.update ?? false,
  };
}

export function scenarioOptionsOf({ nodes, apps, hours, faults, requests, settings }: SimOptions, seed: string): ScenarioOptions {
  return { seed, nodes, apps, durationMs: Math.round(hours * HOUR_MS), faults, requestsPerSecond: requests, settings };
}
