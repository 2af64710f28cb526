/** Runs fixed seeds, to notice when a change breaks a rule. To run more seeds: `npm run sim -- --seeds 1..200`. */
import { expect, test } from '@jest/globals';
import { FAULT_PROFILES, faultProfile, type FaultLevel } from '../../src/sim/faults/fault-profiles.ts';
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

test.each(['18', '19'])('no rule is broken when nodes are cut off for longer than tombstones are kept, seed %s', async (seed) => {
  const cuts = faultProfile.parse({
    partition: { perHour: 14, forMs: [30_000, 240_000] },
    'one-way partition': { perHour: 8, forMs: [30_000, 200_000] },
    freeze: { perHour: 5, forMs: [20_000, 150_000] },
    crash: { perHour: 2, forMs: [2_000, 20_000] },
  });
  const settings = { TOMBSTONE_RETENTION_MS: '60000' };
  const scenario = makeScenario({ seed, nodes: 4, apps: 2, durationMs: 20 * MINUTE_MS, faults: cuts, requestsPerSecond: 0.4, settings });
  const { violation, injected } = await simulate(scenario);
  expect(violation).toBeNull();
  expect(injected['partition']).toBeGreaterThan(0);
});

test.each(runs)('no rule is broken with $level faults, $nodes nodes, seed $seed', async ({ level, seed, nodes }) => {
  const scenario = makeScenario({ seed, nodes, apps: 2, durationMs: 10 * MINUTE_MS, faults: FAULT_PROFILES[level], requestsPerSecond: 0.3 });
  const { violation, checks, writes } = await simulate(scenario);
  expect(violation).toBeNull();
  expect(writes).toBeGreaterThan(0);
  expect(Object.keys(checks).length).toBeGreaterThan(15);
});
