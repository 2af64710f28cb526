/** Seeds that never change: what a change breaks shows here before it shows in the field. More: `npm run sim -- --seeds 1..200`. */
import { expect, test } from '@jest/globals';
import { FAULT_PROFILES, type FaultLevel } from '../../src/sim/faults/fault-profiles.ts';
import { makeScenario } from '../../src/sim/make-scenario.ts';
import { simulate } from '../../src/sim/simulate.ts';

const MINUTE_MS = 60_000;

const runs: { readonly level: FaultLevel; readonly seed: string; readonly nodes: number }[] = [
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((seed) => ({ level: 'default' as const, seed: String(seed), nodes: 5 })),
  ...[11, 12, 13, 14].map((seed) => ({ level: 'brutal' as const, seed: String(seed), nodes: 5 })),
  { level: 'light', seed: '15', nodes: 3 },
  { level: 'default', seed: '16', nodes: 2 },
  { level: 'default', seed: '17', nodes: 9 },
];

test.each(runs)('$level faults, $nodes nodes, seed $seed', async ({ level, seed, nodes }) => {
  const scenario = makeScenario({ seed, nodes, apps: 2, durationMs: 10 * MINUTE_MS, faults: FAULT_PROFILES[level], requestsPerSecond: 0.3 });
  const { violation, checks, writes } = await simulate(scenario);
  expect(violation).toBeNull();
  expect(writes).toBeGreaterThan(0);
  expect(Object.keys(checks).length).toBeGreaterThan(15);
}, 120_000);
