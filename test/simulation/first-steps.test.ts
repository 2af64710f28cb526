/** Shows how to test ticks in a simulation: the example from docs/simulation.md, and other calls that tests of ticks need. */
import { describe, expect, test } from '@jest/globals';
import { Simulation } from '../../src/sim/simulation.ts';

describe('in a simulation,', () => {
  test('node b is ready again soon after a crash', async () => {
    const simulation = await Simulation.start({ seed: 'mine', nodes: 3 });
    await simulation.run(20_000);
    simulation.apply({ do: 'fault', kind: 'crash', node: 'b', forMs: 10_000 });
    await simulation.run(5_000);
    expect(simulation.stateOf('b')).toBe('down');
    await simulation.run(120_000);
    expect(simulation.stateOf('b')).toBe('ready');
    expect(simulation.violation).toBeNull();
  });

  test('a test can send a node_tick and read why a node is not ready', async () => {
    const simulation = await Simulation.start({ seed: 'ticks', nodes: 2, settings: { KMS_NODE_TICK_SECONDS: '3600' } });
    await simulation.run(30_000);
    simulation.apply({ do: 'fault', kind: 'instance stopped', node: 'a', forMs: 600_000 });
    await simulation.run(20_000);
    expect(simulation.stateOf('a')).toBe('ready');
    simulation.tick('a');
    await simulation.run(1_000);
    expect([simulation.stateOf('a'), simulation.reasonOf('a')]).toEqual(['ineligible', 'self not in KMS node list']);
  });

  test('a test can send requests as an app and get the answers of the node', async () => {
    const simulation = await Simulation.start({ seed: 'asks', nodes: 2 });
    expect((await simulation.ask({ do: 'get', node: 'a', key: 'k' })).outcome).toBe('unready');
    await simulation.run(20_000);
    expect(await simulation.ask({ do: 'put', node: 'a', key: 'k', value: 'red', acks: 1 })).toMatchObject({ outcome: 'ok', answer: { acks: 1 } });
    const { answer } = await simulation.ask({ do: 'get', node: 'b', key: 'k' });
    expect(Buffer.from(answer?.['value'] as Uint8Array).toString()).toBe('red');
    expect((await simulation.ask({ do: 'derive', node: 'a', key: 'path', app: simulation.apps.length - 1 })).outcome).toBe('forbidden');
  });

  test('a test can read which rule a node broke', async () => {
    const simulation = await Simulation.start({
      seed: 'broken',
      nodes: 2,
      onStart: ({ node }) => {
        const { vault } = node.inside;
        vault.servingHash = () => `0x${'ab'.repeat(32)}` as ReturnType<typeof vault.servingHash>;
      },
    });
    await simulation.run(20_000);
    expect(simulation.violation?.invariant).toBe('a secret is confirmed only after its hash has become deep enough in the chain');
  });
});
