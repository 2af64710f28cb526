/** A seed determines a run: the same seed leads to the same lines. No line contains a secret. */
import { describe, expect, test } from '@jest/globals';
import { FAULT_PROFILES } from '../../src/sim/faults/fault-profiles.ts';
import { makeScenario } from '../../src/sim/make-scenario.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { Simulation } from '../../src/sim/simulation.ts';

const scenarioOf = (seed: string) => makeScenario({ seed, nodes: 4, apps: 2, durationMs: 300_000, faults: FAULT_PROFILES.brutal, requestsPerSecond: 0.5 });

async function traceOf(seed: string): Promise<string> {
  const lines: string[] = [];
  const { violation } = await simulate(scenarioOf(seed), { onTrace: (line) => void lines.push(line) });
  expect(violation).toBeNull();
  return lines.join('\n');
}

describe('a run', () => {
  test('is the same, byte for byte, with the same seed', async () => {
    const [once, twice] = [await traceOf('7'), await traceOf('7')];
    expect(twice).toBe(once);
    expect(once.split('\n').length).toBeGreaterThan(500);
  });

  test('differs with another seed', async () => {
    expect(await traceOf('8')).not.toBe(await traceOf('7'));
  });

  test('ends at the first line that contains the text of `until`', async () => {
    const lines: string[] = [];
    const { simulatedMs } = await simulate(scenarioOf('7'), { onTrace: (line) => void lines.push(line), until: 'a is ready' });
    expect(lines.some((line) => line.includes('a is ready'))).toBe(true);
    expect(simulatedMs).toBeLessThan(300_000);
  });
});

describe('the trace of a run', () => {
  test('is searched for the master secret and for derived keys', async () => {
    const simulation = await Simulation.start({ seed: 'leak', nodes: 1 });
    await simulation.run(20_000);
    await simulation.ask({ do: 'derive', node: 'a', key: 'path' });
    const [candidate, derived] = simulation.secrets;
    expect([candidate?.length, derived?.length]).toEqual([32, 32]);
  });

  test.each([{ onTrace: () => undefined }, {}])('fails the run if it contains a secret, whether or not the caller receives the trace', async (listening) => {
    const leaking = await simulate(scenarioOf('7'), {
      ...listening,
      onStart: (life) => {
        const random = life.enclave.random.bind(life.enclave);
        life.enclave.random = async (signal) => {
          const secret = await random(signal);
          life.instance.life?.node.appModules.errors.log.info('a candidate', { secret: Buffer.from(secret).toString('base64') });
          return secret;
        };
      },
    });
    expect(leaking.violation?.invariant).toBe('no secret is in the trace');
  });
});
