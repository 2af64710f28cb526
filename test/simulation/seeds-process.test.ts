/** How a process that runs seeds of a mutant can end (scripts/sim-mutants/seeds-process.ts). Real processes run tiny simulators. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { SeedsProcesses } from '../../scripts/sim-mutants/seeds-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'seeds-process-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a stub source tree whose simulator executes the code `simulate` for each seed. @returns the folder of the tree */
function sourcesWith(simulate: string): string {
  const root = mkdtempSync(join(folder, 'root-'));
  const sim = join(root, 'src', 'sim');
  mkdirSync(sim, { recursive: true });
  writeFileSync(join(sim, 'make-scenario.ts'), 'export const makeScenario = ({ seed }) => ({ seed, steps: [] });\n');
  writeFileSync(join(sim, 'simulate.ts'), `export const simulate = async ({ seed }) => {\n${simulate}\n};\n`);
  return root;
}

const HELD = 'return { violation: null };';
const BROKEN = "return { violation: { invariant: 'a rule', detail: 'is broken', atMs: 7 } };";

test.each([
  { simulator: 'obeys all rules', simulate: HELD, ending: { kind: 'held' } },
  {
    simulator: 'breaks a rule in the second seed',
    simulate: `if (seed === '2') ${BROKEN} ${HELD}`,
    ending: { kind: 'broken', seed: '2', invariant: 'a rule', detail: 'is broken', atMs: 7 },
  },
  {
    simulator: 'throws in the second seed',
    simulate: `if (seed === '2') throw new RangeError('too large'); ${HELD}`,
    ending: { kind: 'crashed', seed: '2', detail: expect.stringContaining('RangeError: too large') },
  },
  {
    simulator: 'loops forever in the second seed',
    simulate: `while (seed === '2'); ${HELD}`,
    ending: { kind: 'hung', seed: '2', detail: 'the seeds did not end within 3 s of processor time' },
  },
  {
    simulator: 'waits in the second seed for an event that never happens',
    simulate: `if (seed === '2') await new Promise(() => undefined); ${HELD}`,
    ending: { kind: 'crashed', seed: '2', detail: expect.any(String) },
  },
])('the run of the seeds ends as $ending.kind when the simulator $simulator', async ({ simulate, ending }) => {
  const processes = new SeedsProcesses(1);
  expect(await processes.run({ root: sourcesWith(simulate), runs: {}, seeds: ['1', '2', '3'] })).toEqual(ending);
});

test('a process that is no longer needed is stopped', async () => {
  const controller = new AbortController();
  const ended = new SeedsProcesses().run({ root: sourcesWith(`while (true); ${HELD}`), runs: {}, seeds: ['1'] }, controller.signal);
  controller.abort();
  expect(await ended).toEqual({ kind: 'stopped' });
});
