/**
 * How `npm run sim:mutants` chooses its mutants and runs seeds until one finds the mutant (scripts/sim-mutants). The test decides how each
 * run ends.
 */
import { expect, test } from '@jest/globals';
import { chosen, commaSeparated, partOf } from '../../scripts/sim-mutants/choice.ts';
import { Control } from '../../scripts/sim-mutants/control.ts';
import { Hunt } from '../../scripts/sim-mutants/hunt.ts';
import type { Mutant } from '../../scripts/sim-mutants/mutant.ts';
import type { Job } from '../../scripts/sim-mutants/run-seeds.ts';
import type { Ending } from '../../scripts/sim-mutants/seeds-process.ts';

const mutant = (name: string, fields: Partial<Mutant> = {}): Mutant => ({ name, section: 'own', what: '', replace: [], ...fields });
const FIVE = ['a', 'b', 'c', 'd', 'e'].map((name) => mutant(name, { section: name === 'e' ? '§9.1' : 'own' }));
const SEEDS = ['1', '2', '3', '4', '5', '6', '7'];
const broken = (seed: string): Ending => ({ kind: 'broken', seed, invariant: 'a rule', detail: '', atMs: 1 });

test.each([
  { options: 'no options', only: undefined, part: undefined, names: 'abcde' },
  { options: '--only "b, d"', only: 'b, d', part: undefined, names: 'bd' },
  { options: '--only §9.1', only: '§9.1', part: undefined, names: 'e' },
  { options: '--part 1/2', only: undefined, part: '1/2', names: 'ace' },
  { options: '--part 2/2', only: undefined, part: '2/2', names: 'bd' },
  { options: '--only a,b,c --part 3/3', only: 'a,b,c', part: '3/3', names: 'c' },
])('with $options, exactly these mutants are chosen: $names', ({ only, part, names }) => {
  const given = chosen(FIVE, only === undefined ? undefined : commaSeparated(only), part === undefined ? undefined : partOf(part));
  expect(given.map(({ name }) => name).join('')).toBe(names);
});

test('an unknown mutant name is refused', () => {
  expect(() => chosen(FIVE, ['a', 'none'], undefined)).toThrow('there is no mutant none');
});

test.each(['0/2', '3/2', '1', '1/0', 'a/b'])('--part %s is refused', (text) => {
  expect(() => partOf(text)).toThrow('such as 1/4');
});

/** A hunt with processes that end when the test decides. `begun` lists the processes in the order of their start. */
function hunting(fields: Partial<Mutant> = {}) {
  const begun: { readonly seeds: readonly string[]; readonly end: (ending: Ending) => void }[] = [];
  const removed: string[] = [];
  const run = ({ seeds }: Job, signal?: AbortSignal): Promise<Ending> => {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    begun.push({ seeds, end: resolve });
    signal?.addEventListener('abort', () => resolve({ kind: 'stopped' }), { once: true });
    return promise;
  };
  const copies = { make: () => 'copy', remove: (root: string) => void removed.push(root) };
  return { hunt: new Hunt(mutant('one', fields), SEEDS, { copies, processes: { run } }), begun, removed };
}

test('a seed that is known to find the mutant is tried first', async () => {
  const { hunt, begun } = hunting({ seed: '5' });
  const portion = hunt.runPortion();
  expect(begun[0]!.seeds[0]).toBe('5');
  begun[0]!.end(broken('5'));
  await portion;
  expect(hunt.finding).toMatchObject({ seed: '5' });
  expect(hunt.hasSeeds).toBe(false);
});

test('when a seed has found the mutant, the other processes of the hunt end and no more seeds start', async () => {
  const { hunt, begun, removed } = hunting();
  const portions = [hunt.runPortion(), hunt.runPortion()];
  begun[1]!.end(broken('4'));
  await Promise.all(portions);
  expect(hunt.finding).toMatchObject({ seed: '4' });
  expect(hunt.hasSeeds).toBe(false);
  expect([hunt.endsNow(), hunt.endsNow()]).toEqual([true, false]);
  expect(removed).toEqual(['copy']);
});

test('a mutant counts as missed when every seed has run once and no seed has found it', async () => {
  const { hunt, begun } = hunting();
  while (hunt.hasSeeds) {
    const portion = hunt.runPortion();
    expect(hunt.endsNow()).toBe(false);
    begun.at(-1)!.end({ kind: 'held' });
    await portion;
  }
  expect(begun.flatMap(({ seeds }) => seeds)).toEqual(SEEDS);
  expect(hunt.endsNow()).toBe(true);
  expect(hunt.finding).toBeNull();
});

test('runs with the same effective options share one control run', async () => {
  const jobs: Job[] = [];
  const control = new Control('unchanged', { run: async (job) => (jobs.push(job), { kind: 'held' }) });
  await Promise.all([control.run({}, '1'), control.run({ nodes: 5, faults: 'default' }, '1'), control.run({}, '2'), control.run({ nodes: 4 }, '1')]);
  expect(jobs).toHaveLength(3);
});
