/**
 * Anti-entropy (protocol.md §10, Comparison) copies the records that pushes missed, in both directions. Its cost grows with the number of
 * differences. The stores are real, the network is in memory, and nodes push only when a test makes them tick.
 */
import { describe, expect, test } from '@jest/globals';
import type { WireRecord } from '../../../src/domain/records.ts';
import { PeerError } from '../../../src/sync/peer-error.ts';
import { bucketOf } from '../../../src/store/digest.ts';
import { APP, Network, startNodes, type ReplicatingNode } from '../../support/replicating-nodes.ts';

const RUST_BODY_LIMIT = 2 * 1024 * 1024;

/** Copies the records of one node to another, like a push. */
function share(from: ReplicatingNode, to: ReplicatingNode, nowMs: number): void {
  for (const { appId, record } of from.store.walk({})) expect(to.store.merge(appId, record, nowMs).kind).not.toBe('rejected');
}

function expectEqual(...nodes: readonly ReplicatingNode[]): void {
  const sorted = nodes.map((node) => [...node.records()].sort((x, y) => (x.key < y.key ? -1 : 1)));
  for (const records of sorted) expect(records).toEqual(sorted[0]);
  expect(new Set(nodes.map((node) => node.store.rootDigest())).size).toBe(1);
}

describe('two stores', () => {
  test('are compared with one request if they are equal', async () => {
    const { clock, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (let index = 0; index < 50; index += 1) a.put(`k${index}`, 'value');
    share(a, b, clock.nowMs());
    await a.compareWith(b);
    expect(b.types()).toEqual(['digest_request']);
  });

  test('are compared with one request if both are empty', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    await a.compareWith(b);
    expect(b.types()).toEqual(['digest_request']);
  });

  const DIFFERENCES: readonly (readonly [string, (a: ReplicatingNode, b: ReplicatingNode) => void, Readonly<Record<string, string | null>>])[] = [
    ['a record that only this node has', (a) => void a.put('k', 'here'), { k: 'here' }],
    ['a record that only the peer has', (_, b) => void b.put('k', 'there'), { k: 'there' }],
    [
      'records that only this node has and records that only the peer has',
      (a, b) => {
        a.put('k', 'here');
        b.put('l', 'there');
      },
      { k: 'here', l: 'there' },
    ],
    ['a later value on this node', (a) => void a.put('shared', 'later'), { shared: 'later' }],
    ['a later value on the peer', (_, b) => void b.put('shared', 'later'), { shared: 'later' }],
    ['a tombstone on this node', (a) => void a.delete('shared'), { shared: null }],
    ['a tombstone on the peer', (_, b) => void b.delete('shared'), { shared: null }],
    [
      'a tombstone on this node for a record that the peer still has',
      (a, b) => {
        a.put('k', 'value');
        b.store.merge(APP, a.store.recordOf(APP, 'k'), 1_790_000_000_000);
        a.delete('k');
      },
      { k: null },
    ],
  ];

  test.each(DIFFERENCES)('become equal in one round when the difference is %s', async (_, differ, expected) => {
    const { clock, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('shared', 'value');
    share(a, b, clock.nowMs());
    await clock.advance(5);
    differ(a, b);
    await a.compareWith(b);
    for (const node of nodes) for (const [key, value] of Object.entries(expected)) expect([key, node.read(key)]).toEqual([key, value]);
    expectEqual(a, b);
  });

  test('become equal when both nodes wrote the same key: they keep one of the two values, with the clock entries of both writes (§9.9)', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('k', 'from a');
    b.put('k', 'from b');
    await a.compareWith(b);
    expectEqual(a, b);
    expect(Object.keys(a.store.recordOf(APP, 'k')!.version).sort()).toEqual([a, b].map(({ member, store }) => `${member.wallet}/${store.storeId}`).sort());
  });

  test('are repaired app by app: apps with equal records are not requested', async () => {
    const { clock, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (const app of ['7', '100', '2000']) a.put('shared', 'value', { app });
    share(a, b, clock.nowMs());
    a.put('k', 'here', { app: '2000' });
    b.put('k', 'there', { app: '3' });
    await a.compareWith(b);
    expectEqual(a, b);
    expect([b.read('k', '2000'), a.read('k', '3')]).toEqual(['here', 'there']);
    expect(b.received.flatMap(({ inner }) => (inner['type'] === 'digest_request' && inner['app'] !== undefined ? [inner['app']] : [])).sort()).toEqual(['2000', '3']);
  });

  test('are repaired page by page if they hold many apps', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (const app of ['1', '2', '30', '40', '500']) b.put('k', 'there', { app });
    for (const app of ['2', '31', '600']) a.put('l', 'here', { app });
    // Each page has two apps.
    b.bend = (answer, { inner }) => {
      if (inner['apps'] !== true) return answer;
      const apps = Object.entries(answer['apps'] as object);
      return { ...answer, apps: Object.fromEntries(apps.slice(0, 2)), ...(apps.length > 2 ? { next_cursor: apps[1]![0] } : {}) };
    };
    await a.compareWith(b);
    expectEqual(a, b);
    expect([a.read('k', '500'), b.read('l', '31'), b.read('l', '600')]).toEqual(['there', 'here', 'here']);
    const pages = b.received.flatMap(({ inner }) => (inner['apps'] === true ? [inner['cursor']] : []));
    expect(pages).toEqual([undefined, '2', '40']);
  });

  test.each<[string, (answer: Record<string, unknown>, asked: number) => object]>([
    ['repeats the same cursor', (answer) => ({ ...answer, next_cursor: '7' })],
    ['lists no app but always has a next page', (answer, asked) => ({ ...answer, apps: {}, next_cursor: String(asked) })],
  ])('are not compared forever when the peer %s', async (_, bend) => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.put('k', 'there', { app: '7' });
    let asked = 0;
    b.bend = (answer, { inner }) => (inner['apps'] === true ? bend(answer, (asked += 1)) : answer);
    await expect(a.compareWith(b)).rejects.toThrow('does not end');
    expect(asked).toBeLessThan(3);
  });

  test('exchange only the buckets that differ', async () => {
    const { clock, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (let index = 0; index < 600; index += 1) a.put(`k${index}`, 'value');
    share(a, b, clock.nowMs());
    await clock.advance(5);
    b.put('k17', 'later');
    a.put('new', 'value');
    await a.compareWith(b);
    expectEqual(a, b);
    const wanted = b.received.flatMap(({ inner }) => (inner['type'] === 'snapshot_request' ? (inner['buckets'] as number[]) : []));
    expect(wanted).toEqual([...new Set([bucketOf('k17'), bucketOf('new')])].sort((x, y) => x - y));
    expect(b.deltas()).toEqual([['new']]);
  });

  test('become equal through pages and bodies that are smaller than 2 MiB, even if each store lacks 400 records of the other', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (let index = 0; index < 400; index += 1) {
      a.put(`a${index}`, Buffer.alloc(15_000));
      b.put(`b${index}`, Buffer.alloc(15_000));
    }
    await a.compareWith(b);
    expectEqual(a, b);
    expect(b.received.some(({ inner }) => inner['type'] === 'snapshot_request' && inner['cursor'] !== undefined)).toBe(true);
    expect(Math.max(...network.requests.map(({ bytes }) => bytes))).toBeLessThan(RUST_BODY_LIMIT);
  });

  test('become equal except for one malformed record, which is not copied', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.put('good', 'value');
    b.put('poison', 'value');
    a.put('here', 'value');
    b.bend = (answer, { inner }) => {
      if (inner['type'] !== 'snapshot_request') return answer;
      const data = answer['data'] as Record<string, WireRecord[]>;
      return { ...answer, data: Object.fromEntries(Object.entries(data).map(([app, records]) => [app, records.map((record) => (record.key === 'poison' ? { ...record, updated_at_ms: -1 } : record))])) };
    };
    await a.compareWith(b);
    expect([a.read('good'), a.read('poison'), b.read('here')]).toEqual(['value', null, 'value']);
    expect(a.replicaOf(b).view()).toMatchObject({ leftOut: { malformed: 1 }, lastError: null });
  });

  test('are compared, and a verdict is reported for each record from the peer, because the metrics and a resync need it', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.put('good', 'value');
    b.put('poison', 'value');
    b.bend = (answer, { inner }) => {
      if (inner['type'] !== 'snapshot_request') return answer;
      const records = (answer['data'] as Record<string, WireRecord[]>)[APP]!;
      return { ...answer, data: { [APP]: records.map((record) => (record.key === 'poison' ? { ...record, updated_at_ms: -1 } : record)) } };
    };
    await a.compareWith(b);
    expect([...a.verdicts].sort()).toEqual(['merged', 'rejected']);
  });

  test('become equal in the next round when writes arrive during a round', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    for (let index = 0; index < 100; index += 1) b.put(`b${index}`, 'value');
    b.before = ({ inner }) => {
      if (inner['type'] !== 'snapshot_request') return;
      a.put('meanwhile a', String(b.received.length));
      b.put('meanwhile b', String(b.received.length));
    };
    await a.compareWith(b);
    b.before = () => undefined;
    await a.compareWith(b);
    expectEqual(a, b);
  });
});

describe('a write that reached only some nodes', () => {
  test.each([
    ['the peer that has it starts the comparison', 'b'],
    ['the peer that lacks it starts the comparison', 'c'],
  ])('reaches the remaining peer through anti-entropy after the node that made it died (%s)', async (_, who) => {
    const { network, nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    network.setWay(a, c, 'cut');
    a.put('k', 'value');
    a.put('gone', 'value');
    a.delete('gone');
    await a.tick(true);
    expect([b.read('k'), c.read('k')]).toEqual(['value', null]);
    network.isolate(a);
    await network.run(4, [who === 'b' ? b : c]);
    expect(c.read('k')).toBe('value');
    expectEqual(b, c);
  });

  test('reaches every node after the connections that were cut are open again', async () => {
    const { network, nodes } = startNodes('a', 'b', 'c', 'd');
    const [a, b, c, d] = nodes;
    for (const [from, to] of [[a, b], [b, c], [c, d], [d, a], [a, c], [b, d]] as const) network.setWay(from, to, 'cut');
    for (let round = 0; round < 6; round += 1) {
      for (const node of nodes) node.put(round % 2 === 0 ? `shared ${round}` : `${node.name} ${round}`, node.name);
      if (round === 4) b.delete('shared 0');
      await network.run(2);
    }
    network.isolate(a, 'open');
    network.isolate(c, 'open');
    for (const [from, to] of [[b, d], [d, b]] as const) network.setWay(from, to, 'open');
    await network.run(90);
    expectEqual(...nodes);
    expect(a.keys()).toHaveLength(12 + 2 + (a.read('shared 0') === null ? 0 : 1));
  });
});

describe('an older peer', () => {
  function startWithOlder() {
    const network = new Network();
    const a = network.add('a');
    const older = network.add('older', { kind: 'older' });
    return { network, a, older };
  }

  test('gets only one digest request, and then the two nodes exchange all their records', async () => {
    const { network, a, older } = startWithOlder();
    older.put('there', 'value');
    a.store.merge(APP, { ...older.store.recordOf(APP, 'there')!, key: 'here' }, network.clock.nowMs());
    await a.tick();
    expect(older.types()).toEqual(['snapshot_request', 'delta']);
    expect(network.requests.filter(({ path, status }) => path === '/sync' && status === 403)).toHaveLength(1);
    expectEqual(a, older);
    await network.run(30, [a]);
    expect(network.requests.filter(({ status }) => status === 403)).toHaveLength(1);
  });

  test('takes part in another comparison only after ten minutes', async () => {
    const { network, a, older } = startWithOlder();
    await a.tick();
    older.put('there', 'value');
    await network.pass(590_000, 10_000);
    await a.tick();
    expect(a.read('there')).toBeNull();
    await network.pass(10_000, 10_000);
    await a.tick();
    expect(a.read('there')).toBe('value');
    expect(older.types().filter((type) => type === 'snapshot_request')).toHaveLength(2);
  });

  test('keeps the time of its last success when a tick sends it no request', async () => {
    const { network, a, older } = startWithOlder();
    await a.tick();
    const { lastSuccessMs } = a.replicaOf(older).view();
    await network.pass(10_000);
    await a.tick();
    expect(a.replicaOf(older).view().lastSuccessMs).toBe(lastSuccessMs);
  });

  test('gets all records in bodies below 2 MiB', async () => {
    const { network, a, older } = startWithOlder();
    for (let index = 0; index < 12; index += 1) a.put(`k${index}`, Buffer.alloc(200_000));
    await network.run(30, [a]);
    expect(older.keys()).toHaveLength(12);
    expectEqual(a, older);
    expect(network.requests.filter(({ status }) => status === 413)).toEqual([]);
  });
});

describe('a peer that sends a bad answer', () => {
  test.each([
    ['no root', (type: unknown) => (type === 'digest_request' ? { root: undefined } : {})],
    ['a root of the wrong length', (type: unknown) => (type === 'digest_request' ? { root: 'ab' } : {})],
    ['invalid apps', (type: unknown) => (type === 'digest_request' ? { root: '00'.repeat(16), apps: { x: '00'.repeat(16) } } : {})],
    ['too few buckets', (type: unknown) => (type === 'digest_request' ? { root: '00'.repeat(16), apps: { '1': '00'.repeat(16) }, buckets: ['00'.repeat(8)] } : {})],
    ['no data', (type: unknown) => (type === 'snapshot_request' ? { data: undefined } : {})],
  ])('makes the round fail with bad_answer: %s', async (_, bent) => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.put('k', 'value');
    b.bend = (answer, { inner }) => ({ ...answer, ...bent(inner['type']) });
    const error = await a.compareWith(b).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PeerError);
    expect((error as PeerError).failure).toBe('bad_answer');
  });
});

test('a record that a peer refuses permanently is sent once, not in every round', async () => {
  const { network, nodes } = startNodes('a', 'b');
  const [a, b] = nodes;
  network.setWay(a, b, 'cut');
  a.put('k', 'value');
  await a.tick(true);
  network.setWay(a, b, 'open');
  a.replicaOf(b).progress.advance(a.store.lastSequenceNumber, { records: 1, bytes: 0 });
  b.bend = (answer, { inner }) =>
    inner['type'] === 'delta' ? { ...answer, rejected: 1, merged: 0, rejections: [{ app_id: '100', key: 'k', reason: 'does_not_decrypt' }] } : answer;
  b.before = ({ inner }) => {
    if (inner['type'] === 'delta') b.store.forget('100', 'k');
  };
  for (let times = 0; times < 4; times += 1) {
    await a.compareWith(b);
    b.store.forget('100', 'k');
  }
  expect(b.deltas()).toEqual([['k']]);
});
