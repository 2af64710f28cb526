/** The faults that `npm run sim:mutants` puts back are still there to be put back. */
import { expect, test } from '@jest/globals';
import { mutate } from '../../scripts/sim-mutants/copies.ts';
import { MUTANTS } from '../../scripts/sim-mutants/mutants.ts';

test('there are mutants, each with its own name', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  expect(MUTANTS.length).toBeGreaterThan(40);
});

test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('%s changes the sources as they are', (_, mutant) => {
  expect([...mutate(mutant).keys()]).toEqual([...new Set(mutant.replace.map(({ file }) => file))]);
});
