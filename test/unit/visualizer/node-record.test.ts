/** What is recorded about a node when its recorder fails. */
import { expect, test } from '@jest/globals';
import { NO_SECRET } from '../../../src/machines/secret-life.ts';
import type { ComposedNode } from '../../../src/node/compose-node.ts';
import { NodeRecord } from '../../../src/node/node-record.ts';
import type { NewEvent } from '../../../src/visualizer/wire.ts';
import { ControlledNode } from '../../machine/controlled-node.ts';

test('nothing is recorded about a node after its recorder has failed', () => {
  const node = new ControlledNode({ nodeTickMs: 60_000, syncTickMs: 10_000, nudgeMs: 50, freshness: { maxAgeMs: 120_000, outageMs: 900_000 }, probePeers: false });
  const events: NewEvent[] = [];
  let losses = 0;
  let fails = false;
  const record = new NodeRecord(
    { source: 'node', peersAfterSyncTicks: true },
    {
      clock: { nowMs: () => 1_000, monotonicMs: () => 0 },
      readerMs: (nodeMs) => {
        if (fails) throw new Error('no time today');
        return nodeMs;
      },
      sink: { addChart: () => undefined, add: (event) => void events.push(event) },
      onLost: () => void (losses += 1),
    },
  );
  const inside = { secret: { life: NO_SECRET, isServable: () => false }, replicas: { views: () => [] }, sureness: { isSure: () => false } };
  record.attach({ actor: node.actor, inside } as unknown as ComposedNode, { nodeTickMs: 60_000, chainConfirmations: 3 });
  const finish = record.watchSyncTick(false);
  fails = true;
  node.actor.send({ type: 'node_tick' });
  expect(losses).toBe(1);
  expect(events.at(-2)).toMatchObject({ kind: 'note', source: 'node', level: 'failure' });
  expect(events.at(-1)).toEqual({ kind: 'end', atMs: 1_000, source: 'node', how: 'no longer watched' });
  const told = events.length;
  finish('ok');
  record.watchSyncTick(true)('ok');
  record.notePeers();
  expect(events).toHaveLength(told);
});
