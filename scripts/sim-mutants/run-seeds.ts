/**
 * Runs seeds on one copy of the sources in a separate process, so that a mutant can damage only that process. The process prints a line of
 * JSON for each seed, and ends after the first seed that breaks a rule.
 */
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import type * as scenarios from '../../src/sim/make-scenario.ts';
import type * as simulations from '../../src/sim/simulate.ts';
import { scenarioOptionsOf, withSteps, type Runs } from './mutant.ts';

export interface Job {
  /** The folder with the copy of the sources. */
  readonly root: string;
  readonly runs: Runs;
  readonly seeds: readonly string[];
}

export interface SeedLine {
  readonly seed: string;
  /** The first rule that was broken, and when; null if the seed broke no rule. */
  readonly broken: { readonly invariant: string; readonly detail: string; readonly atMs: number } | null;
}

const { root, runs, seeds } = JSON.parse(process.argv[2] ?? '') as Job;
const load = async <Module>(path: string): Promise<Module> => (await import(pathToFileURL(join(root, path)).href)) as Module;
const { makeScenario } = await load<typeof scenarios>('src/sim/make-scenario.ts');
const { simulate } = await load<typeof simulations>('src/sim/simulate.ts');
for (const seed of seeds) {
  const { violation } = await simulate(withSteps(makeScenario(scenarioOptionsOf(runs, seed)), runs));
  process.stdout.write(`${JSON.stringify({ seed, broken: violation } satisfies SeedLine)}\n`);
  if (violation !== null) break;
}
