/** One processor's part of `npm run sim`: takes a seed, simulates, says what came of it. */
import { parentPort } from 'node:worker_threads';
import { makeScenario, type ScenarioOptions } from '../../sim/make-scenario.ts';
import { simulate } from '../../sim/simulate.ts';

parentPort?.on('message', ({ options, until }: { options: ScenarioOptions; until: string | null }) => {
  void simulate(makeScenario(options), until === null ? {} : { until }).then((result) => parentPort?.postMessage(result));
});
