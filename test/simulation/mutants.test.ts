/** Every mutant of `npm run sim:mutants` can still be applied to the current sources. */
import { expect, test } from '@jest/globals';
import { mutate } from '../../scripts/sim-mutants/copies.ts';
import { MUTANTS } from '../../scripts/sim-mutants/mutants.ts';

test('there are more than 40 mutants, and no two have the same name', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  expect(MUTANTS.length).toBeGreaterThan(40);
});

test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('the mutant %s can be applied to the current sources', (_, mutant) => {
  expect([...mutate(mutant).keys()]).toEqual([...new Set(mutant.replace.map(({ file }) => file))]);
});
