/** A worker thread of `npm run sim`: receives a scenario, simulates it and posts the result. */
import { parentPort } from 'node:worker_threads';
import { makeScenario, type ScenarioOptions } from '../../sim/make-scenario.ts';
import { simulate } from '../../sim/simulate.ts';

parentPort?.on('message', ({ options, until }: { options: ScenarioOptions; until: string | null }) => {
  void simulate(makeScenario(options), until === null ? {} : { until }).then((result) => parentPort?.postMessage(result));
});
