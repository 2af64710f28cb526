/** A failing scenario is shrunk to a small scenario that breaks the same rule, and is written as a story that can be read and played. */
import { expect, test } from '@jest/globals';
import { FAULT_PROFILES } from '../../src/sim/faults/fault-profiles.ts';
import { makeScenario } from '../../src/sim/make-scenario.ts';
import { shrink } from '../../src/sim/shrink.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { formatStory, parseStory, storyOf } from '../../src/sim/story.ts';
import { FORGOTTEN_KEY, forgetOneKey } from '../support/forgetting-node.ts';

test('a failing scenario is shrunk to the one step that breaks the same rule', async () => {
  const scenario = makeScenario({ seed: '3', nodes: 4, apps: 2, durationMs: 120_000, faults: FAULT_PROFILES.light, requestsPerSecond: 1 });
  const run = (candidate: typeof scenario) => simulate(candidate, { onStart: forgetOneKey });
  const result = await run(scenario);
  expect(result.violation).not.toBeNull();
  const small = await shrink(scenario, result, { maxRuns: 120, run });
  expect(small.result.violation?.invariant).toBe(result.violation?.invariant);
  expect(small.scenario.nodes).toBe(2);
  expect(small.scenario.steps).toEqual([expect.objectContaining({ key: FORGOTTEN_KEY })]);
  const text = formatStory(storyOf(small.scenario, ['Found by a seed.']));
  expect(text).toContain(`"${FORGOTTEN_KEY}"`);
  expect(formatStory(parseStory(text))).toBe(text);
});
