/**
 * How many places in the memory of a process hold the master secret in each phase of its life: a real process reads its own memory.
 * The vault's is the only one. What was replaced, and all of it after the stop, is nowhere.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import { expect, test } from '@jest/globals';

/** Places at most: of the first secret, and of the one that takes its place. */
const AT_MOST: Readonly<Record<string, readonly [number, number]>> = {
  generated: [1, 0],
  serving: [1, 0],
  'reset, and another synced': [0, 1],
  'after stop': [0, 0],
};

test('the secret is in no more places than stated, and in none once it was replaced or wiped', () => {
  const script = fileURLToPath(new URL('residues.process.ts', import.meta.url));
  const phases = JSON.parse(execFileSync(process.execPath, ['--expose-gc', script], { encoding: 'utf8' })) as Record<string, [number, number]>;
  expect(Object.keys(phases)).toEqual(Object.keys(AT_MOST));
  for (const [phase, [first, second]] of Object.entries(phases)) {
    const [most, mostSecond] = AT_MOST[phase]!;
    expect({ phase, places: [Math.min(first, most), Math.min(second, mostSecond)] }).toEqual({ phase, places: [first, second] });
  }
  // What is searched for can be found.
  expect(phases['serving']![0]).toBeGreaterThan(0);
});
