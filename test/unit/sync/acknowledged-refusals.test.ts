/**
 * Acknowledgements (protocol.md §10, Acknowledged by n): a record that a peer rejects is never acknowledged, regardless of the reason. A
 * record that the peer accepted from the same message is acknowledged.
 */
import { describe, expect, test } from '@jest/globals';
import { APP, Network, startNodes, waitingFor } from '../../support/replicating-nodes.ts';

/** A time in milliseconds that is longer than any write waits for acknowledgements. */
const LONG_MS = 60_000;

describe('when a peer accepts only some records of a message', () => {
  test.each([
    ['malformed', 'permanently'],
    ['does_not_decrypt', 'permanently'],
    ['too_far_ahead', 'for now'],
    ['store_full', 'for now'],
  ])('the accepted record is acknowledged, but the rejected record never is (reason: %s, rejected %s)', async (reason, how) => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.bend = (answer, { inner }) => {
      if (inner['type'] !== 'delta') return answer;
      const keys = b.deltas().at(-1)!;
      const rejections = keys.filter((key) => key === 'rejected').map((key) => ({ app_id: APP, key, reason }));
      return { ...answer, total: keys.length, merged: keys.length - rejections.length, skipped: 0, rejected: rejections.length, rejections };
    };
    const rejected = waitingFor(a, a.put('rejected', 'value'), 1);
    const taken = waitingFor(a, a.put('taken', 'value'), 1);
    await a.tick(true);
    expect(b.deltas()).toEqual([['rejected', 'taken']]);
    expect([taken.outcome, rejected.outcome]).toEqual([1, 'waiting']);

    await network.run(10, [a]);
    expect(b.deltas().length > 1).toBe(how === 'for now');
    expect(rejected.outcome).toBe('waiting');
    await network.pass(LONG_MS);
    expect(rejected.outcome).toBe('not_replicated');
  });

  test('a rejected record with a long key is never acknowledged, even if the answer contains only the beginning of its key', async () => {
    const network = new Network();
    const a = network.add('a');
    const b = network.add('b', { store: { maxStoreBytes: 4_000 } });
    const rejected = waitingFor(a, a.put('x'.repeat(5_000), 'value'), 1);
    const taken = waitingFor(a, a.put('taken', 'value'), 1);
    await a.tick(true);
    expect([b.keys(), taken.outcome, rejected.outcome]).toEqual([['taken'], 1, 'waiting']);
    await network.pass(LONG_MS);
    expect(rejected.outcome).toBe('not_replicated');
  });
});
