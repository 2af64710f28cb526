/**
 * How a node that starts with an empty store becomes sure (protocol.md §10, "404 means absent"). The stores are real, and the network is
 * in memory. To make a member lie, a test changes the answers of that member.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { RefusalError } from '../../../src/domain/errors.ts';
import { Network, type ReplicatingNode } from '../../support/replicating-nodes.ts';

const NEVER = new AbortController().signal;
const SILENCE_MS = 60_000;

let network: Network;
/** `n` has started with an empty store. `a` and `b` have the same records. */
let n: ReplicatingNode;
let a: ReplicatingNode;
let b: ReplicatingNode;

beforeEach(() => {
  network = new Network();
  n = network.add('n');
  a = network.add('a');
  b = network.add('b');
  a.sureWord = true;
  b.sureWord = true;
  n.sureness.noteTick(n.others(), false);
  hold('k1', a, b);
  hold('k2', a, b);
});

/** Puts a record on the first node and copies it to the others. */
function hold(key: string, first: ReplicatingNode, ...others: readonly ReplicatingNode[]): void {
  first.put(key, `value of ${key}`);
  for (const other of others) other.store.merge('100', first.store.recordOf('100', key), network.clock.nowMs());
}

const lieWithEmptyStore = (liar: ReplicatingNode): void => {
  liar.bend = (answer, { inner }) => (inner['type'] === 'snapshot_request' ? { ...answer, data: {}, next_cursor: undefined, complete: undefined, sure: true } : answer);
};

/** Does what a node_tick does while the first snapshot is missing. */
async function firstTick(): Promise<void> {
  await n.fetchSnapshot();
  await n.sureRound.beforeReady(n.others(), NEVER);
}
const serve = (): Promise<void> => n.sureRound.whileReady(n.others(), NEVER);
/** Lets the node serve for this long. It asks the members every 10 s. */
async function serveFor(ms: number): Promise<void> {
  for (let servedMs = 0; servedMs < ms; servedMs += 10_000) {
    await network.clock.advance(10_000);
    await serve();
  }
}
const held = (): readonly (string | null)[] => [n.read('k1'), n.read('k2')];
const ALL = ['value of k1', 'value of k2'];
const waitingFor = (): readonly string[] => n.sureness.waitsFor().map((wallet) => network.nameOf(wallet));

describe('before a node is ready,', () => {
  test('it is sure as soon as it has the snapshot of one sure member and the root digest of the other member equals its own', async () => {
    await firstTick();
    expect([n.sureness.figures().by, held(), waitingFor()]).toEqual(['all_members', ALL, []]);
    expect([...a.types(), ...b.types()].sort()).toEqual(['digest_request', 'snapshot_request']);
  });

  test('it is sure as soon as it has all records of one sure member, if the other member is not ready', async () => {
    b.before = () => {
      throw new RefusalError('service_unavailable', 'the master secret is not confirmed');
    };
    await firstTick();
    expect([n.sureness.figures().by, held()]).toEqual(['sure_members', ALL]);
  });

  test('it gets records that only the second sure member has, and sends no records itself', async () => {
    n.put('own', 'written before');
    hold('k3', b);
    await firstTick();
    expect([n.sureness.isSure(), held(), n.read('k3')]).toEqual([true, ALL, 'value of k3']);
    expect([...a.types(), ...b.types()]).not.toContain('delta');
  });

  test.each(['a', 'b'])('it gets every record even if node %s sends an empty snapshot and reports it as complete', async (name) => {
    lieWithEmptyStore(name === 'a' ? a : b);
    await firstTick();
    await serve();
    expect([n.sureness.isSure(), held()]).toEqual([true, ALL]);
  });

  test('it waits at most a second for a member that does not answer', async () => {
    network.setWay(n, b, 'hang');
    await n.fetchSnapshot();
    const settling = n.sureRound.beforeReady(n.others(), NEVER);
    await network.clock.advance(1_000);
    await settling;
    expect([n.sureness.isSure(), held(), waitingFor()]).toEqual([false, ALL, ['b']]);
  });
});

describe('while a node serves,', () => {
  beforeEach(async () => {
    network.setWay(n, b, 'cut');
    await firstTick();
  });

  test('it is not sure while the other member may have records that the node lacks', async () => {
    expect([n.sureness.isSure(), waitingFor()]).toEqual([false, ['b']]);
    await network.clock.advance(2_000);
    await serve();
    expect(n.sureness.isSure()).toBe(false);
  });

  test('it becomes sure when the other member is back', async () => {
    network.setWay(n, b, 'open');
    hold('k3', b);
    await network.clock.advance(2_000);
    await serve();
    expect([n.sureness.isSure(), n.read('k3'), waitingFor()]).toEqual([true, 'value of k3', []]);
  });

  test('a minute in which it asks no member does not count: after that minute, it is still not sure', async () => {
    await network.clock.advance(SILENCE_MS);
    await serve();
    expect([n.sureness.isSure(), waitingFor()]).toEqual([false, ['b']]);
  });

  test('an aborted round notes its end too, because its time counts as time in which the node asked the members', async () => {
    network.setWay(n, b, 'hang');
    await network.clock.advance(2_000);
    let hasEnded = false;
    n.sureness.noteAskingEnded = () => void (hasEnded = true);
    const stopping = new AbortController();
    const asking = n.sureRound.whileReady(n.others(), stopping.signal);
    await network.clock.advance(1_000);
    expect(hasEnded).toBe(false);
    stopping.abort(new Error('the node is not ready any more'));
    await expect(asking).rejects.toThrow('not ready');
    expect(hasEnded).toBe(true);
  });

  test('it becomes sure after it has asked the other member for a minute without an answer', async () => {
    await serveFor(SILENCE_MS);
    expect([n.sureness.figures().by, held()]).toEqual(['sure_members', ALL]);
  });

  test('it stops asking members after it has become sure', async () => {
    await serveFor(SILENCE_MS);
    const before = network.requests.length;
    await serve();
    expect(network.requests.length).toBe(before);
  });
});

describe('a node is not sure', () => {
  test('while it reaches no member; when it has asked for an hour in total, it becomes sure and logs an error (an hour without asking does not count)', async () => {
    network.isolate(n);
    await serve();
    expect([n.sureness.isSure(), waitingFor()]).toEqual([false, ['a', 'b']]);
    await network.clock.advance(3_600_000);
    await serve();
    expect(n.sureness.isSure()).toBe(false);
    await serveFor(3_600_000);
    expect([n.sureness.figures().by, n.log.lines.filter(({ level }) => level === 'error').length]).toEqual(['in_vain', 1]);
  });

  test('while its sources have a record whose time is too far ahead of its clock; it becomes sure when it has that record', async () => {
    a.store.merge('100', { ...a.store.recordOf('100', 'k1'), key: 'later', updated_at_ms: network.clock.nowMs() + 60_000 }, network.clock.nowMs() + 60_000);
    b.store.merge('100', a.store.recordOf('100', 'later'), network.clock.nowMs() + 60_000);
    await firstTick();
    expect([n.sureness.isSure(), held(), n.store.isLeftOut('100', 'later', network.clock.nowMs())]).toEqual([false, ALL, true]);
    await network.clock.advance(60_000);
    await serve();
    expect([n.sureness.isSure(), n.store.isLeftOut('100', 'later', network.clock.nowMs())]).toEqual([true, false]);
  });

  test('after its store was emptied', async () => {
    await firstTick();
    expect(n.sureness.isSure()).toBe(true);
    n.loseStore();
    expect([n.sureness.isSure(), waitingFor()]).toEqual([false, ['a', 'b']]);
  });

  test('while it is stale', async () => {
    await firstTick();
    network.isolate(n);
    await network.clock.advance(86_400_001);
    expect([n.sureness.isSure(), n.sureness.hasBecomeSure(), n.sureness.figures()]).toEqual([false, true, { sure: false, by: 'all_members', waitsFor: [] }]);
  });

  test('although it has all records of a member, if that member became sure only after sending them', async () => {
    a.sureWord = false;
    b.before = () => {
      throw new RefusalError('service_unavailable', 'the master secret is not confirmed');
    };
    await firstTick();
    expect([n.sureness.isSure(), held(), waitingFor()]).toEqual([false, ALL, ['b']]);
    a.sureWord = true;
    await network.clock.advance(2_000);
    n.sureness.onAnswered(a.member, true);
    expect([n.sureness.isSure(), waitingFor()]).toEqual([false, ['a']]);
    await serve();
    expect(n.sureness.figures().by).toBe('sure_members');
  });
});

test('a node whose peers are all older is sure as soon as it has all records of every peer', async () => {
  network = new Network();
  const older = [network.add('old-1', { kind: 'older' }), network.add('old-2', { kind: 'older' })] as const;
  n = network.add('n');
  n.sureness.noteTick(n.others(), false);
  hold('k1', older[0], older[1]);
  hold('k2', older[1]);
  await firstTick();
  expect(n.sureness.isSure()).toBe(false);
  await serve();
  expect([n.sureness.figures().by, held()]).toEqual(['all_members', ALL]);
  // `n` does not send a digest_request again to an older member that has refused one.
  for (const { name } of older) expect(network.requests.filter(({ to, status }) => to === name && status === 403).length).toBeLessThanOrEqual(1);
});
