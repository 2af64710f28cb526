/** What a node reports about its store in a snapshot (protocol.md §10, First snapshot). */
import { expect, test } from '@jest/globals';
import { Simulation } from '../../src/sim/simulation.ts';

test('a node that is no longer a member does not report its store as complete, because it misses writes', async () => {
  const simulation = await Simulation.start({ seed: 'vouching', nodes: 3, settings: { KMS_NODE_TICK_SECONDS: '3600' } });
  await simulation.run(60_000);
  const { conversation, peerCache } = simulation.node('a').life!.node.inside;
  const c = peerCache.membership()!.members.find(({ wallet }) => wallet === simulation.node('c').wallet)!;
  const ask = async (): Promise<unknown> => {
    const options = { timeoutMs: 30_000, maxAnswerBytes: 1_000_000, signal: new AbortController().signal };
    const answers: Record<string, unknown>[] = [];
    void conversation.exchange(c, { type: 'snapshot_request', max_bytes: 100_000 }, options).then((answer) => answers.push(answer));
    await simulation.run(100);
    return answers[0]?.['complete'];
  };
  expect([simulation.stateOf('c'), await ask()]).toEqual(['ready', undefined]);
  simulation.apply({ do: 'fault', kind: 'instance stopped', node: 'c', forMs: 600_000 });
  await simulation.run(20_000);
  simulation.tick('c');
  await simulation.run(1_000);
  expect([simulation.stateOf('c'), await ask()]).toEqual(['ineligible', false]);
});
