/** The output and the exit codes of `npm run sim`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, expect, test } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'nova-kms-sim-'));
afterAll(() => rmSync(folder, { recursive: true }));

function sim(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', 'src/cli/nova-kms.ts', 'sim', ...words], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('a run of several seeds ends with a summary of faults, requests and invariants', () => {
  const { status, stdout } = sim('--seeds', '1..2', '--nodes', '3', '--hours', '0.05', '--faults', 'light');
  expect(status).toBe(0);
  expect(stdout).toContain('faults that took effect:');
  expect(stdout).toMatch(/\d+ {2}a merge gives the result that the protocol demands/);
  expect(stdout).toContain('2 runs, 0 failed');
  expect(stdout).toMatch(/simulated [\d.]+ h in [\d.]+ s: \d+ times as fast as real time/);
});

test('a profile of faults is read from a file, and the trace is written to a file', () => {
  const profile = join(folder, 'faults.json');
  writeFileSync(profile, JSON.stringify({ crash: { perHour: 200, forMs: [1_000, 2_000] } }));
  const trace = join(folder, 'trace');
  const { status, stdout } = sim('--seed', '7', '--hours', '0.03', '--nodes', '3', '--faults', profile, '--trace', trace);
  expect(status).toBe(0);
  expect(stdout).toMatch(/\d+ {2}crash/);
  expect(stdout).not.toContain('message');
  expect(readFileSync(trace, 'utf8')).toMatch(/fault crash on [abc]/);
});

test.each([
  [['--nodes', '0'], 'whole number from 1 to 32'],
  [['--faults', 'awful'], 'none, light, default, brutal or a JSON file'],
  [['--seeds', '9..1'], 'two numbers'],
  [['--seed', '1', '--seeds', '1..2'], 'cannot be used with'],
  [['--seeds', '1..2', '--events', 'x'], 'cannot be used with'],
  [['--update'], 'needs a --story'],
  [['--set', 'KMS_NODE_TICK_SECOND=5'], 'KMS_NODE_TICK_SECOND is not a variable of a node'],
  [['--set', 'KMS_NODE_TICK_SECONDS=abc'], 'KMS_NODE_TICK_SECONDS must be'],
  [['--story', 'x', '--trace', 'y'], 'cannot be used with'],
  [['--story', 'x', '--nodes', '3'], 'cannot be used with'],
  [['--shrink', '--events', 'y'], 'cannot be used with'],
  [['--trace', 'y', '--events', 'y'], 'name the same file: give two different names'],
  [['--story', 'no.story'], 'no.story cannot be read (ENOENT)'],
  [['--story', 'README.md', '--update'], 'README.md is not a story'],
])('%j is refused with a one-line message that says why', (words, line) => {
  const { status, stderr } = sim(...words);
  expect(status).toBe(2);
  expect(stderr).toContain(line);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test.each(['--trace', '--events'])('%s fails with a one-line message if its file cannot be written', (option) => {
  for (const [path, code] of [['/dev/full', 'ENOSPC'], [join(folder, 'none', 'x'), 'ENOENT']] as const) {
    expect(sim('--seed', '1', '--hours', '0.01', '--nodes', '1', option, path)).toMatchObject({ status: 1, stderr: `${path} cannot be written (${code})\n` });
  }
});

test('a story fails if the result of a command differs from the one in the story', () => {
  const story = join(folder, 'wrong.story');
  writeFileSync(story, '# No node is ready immediately.\n\n> cluster nodes=1\n> status\na ready\n');
  const { status, stdout } = sim('--story', story);
  expect(status).toBe(1);
  expect(stdout).toContain('a ineligible: initializing');
});
