/** sync_tick (protocol.md §1, §9.5, §10): one lane per peer, anti-entropy with each peer in turn, membership refreshes, and the last push. */
import { describe, expect, test } from '@jest/globals';
import { DependencyError, InvariantError, RefusalError } from '../../../src/domain/errors.ts';
import { FailureLog } from '../../../src/domain/failure-log.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { Member } from '../../../src/domain/membership.ts';
import { WriteLog } from '../../../src/store/write-log.ts';
import { Replicas } from '../../../src/sync/replicas.ts';
import { Replicator } from '../../../src/sync/replicator.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/members.ts';
import { RETENTION_MS, startNodes, waitingFor, type ReplicatingNode } from '../../support/replicating-nodes.ts';

/** The number of requests that a node has sent. */
function triesOf(node: ReplicatingNode, requests: readonly { readonly from: string; readonly path: string }[]): number {
  return requests.filter(({ from }) => from === node.name).length;
}

describe('peers', () => {
  test.each(['hang', 'cut'] as const)('are independent: a peer whose connection is set to "%s" does not delay the others (§9.5)', async (way) => {
    const { network, nodes } = startNodes('a', 'b', 'c', 'd');
    const [a, b, c, d] = nodes;
    network.setWay(a, b, way);
    for (const key of ['k1', 'k2', 'k3']) {
      a.put(key, 'value');
      await a.tick(true);
      expect([c.read(key), d.read(key)]).toEqual(['value', 'value']);
    }
    expect(b.keys()).toEqual([]);
    expect(a.replicaOf(c).view()).toMatchObject({ behindRecords: 0, lastError: null });
    expect(a.replicaOf(b).view()).toMatchObject({ behindRecords: 3, acknowledgedUpTo: 0 });
  });

  test.each(['hang', 'cut'] as const)('get all records that they missed while their connection was set to "%s"', async (way) => {
    const { network, nodes } = startNodes('a', 'b', 'c');
    const [a, b] = nodes;
    network.setWay(a, b, way);
    for (let index = 0; index < 60; index += 1) {
      a.put(`k${index}`, 'value');
      await a.tick(true);
      await network.pass(1_000);
    }
    a.delete('k0');
    expect(b.keys()).toEqual([]);
    network.setWay(a, b, 'open');
    await network.run(90, [a]);
    expect(b.keys()).toHaveLength(59);
    expect(b.store.rootDigest()).toBe(a.store.rootDigest());
    expect(a.replicaOf(b).view()).toMatchObject({ behindRecords: 0, behindBytes: 0, lastError: null, nextTryMs: null });
  });

  test('that are unreachable are tried at growing intervals with jitter, not at every tick', async () => {
    const { clock, network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'cut');
    a.put('k', 'value');
    const times: number[] = [];
    let known = 0;
    for (let tick = 0; tick < 3_000; tick += 1) {
      await a.tick(true);
      const tries = triesOf(a, network.requests);
      if (tries > known) times.push(clock.monotonicMs());
      known = tries;
      await clock.advance(100);
    }
    const pauses = times.slice(1).map((at, index) => at - times[index]!);
    expect(pauses.length).toBeGreaterThan(8);
    for (const [index, pauseMs] of pauses.entries()) {
      const least = Math.min(60_000, 500 * 2 ** index);
      expect(pauseMs).toBeGreaterThanOrEqual(least);
      expect(pauseMs).toBeLessThanOrEqual(1.25 * least + 200);
    }
    expect(pauses.slice(0, 6).some((pauseMs, index) => pauseMs > 500 * 2 ** index + 100)).toBe(true);
  });

  test('that send a request get a push at the next tick, even if earlier pushes to them failed', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'cut');
    a.put('k', 'value');
    for (let times = 0; times < 8; times += 1) {
      await a.tick(true);
      await network.pass(30_000, 30_000);
    }
    await a.tick(true);
    network.setWay(a, b, 'open');
    await a.tick(true);
    expect(b.read('k')).toBeNull();
    b.put('of b', 'value');
    await b.tick(true);
    await a.tick(true);
    expect(b.read('k')).toBe('value');
  });

  test('that have left the membership get no push and are forgotten', async () => {
    const { nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    a.know([a.member, c.member]);
    a.put('k', 'value');
    await a.tick();
    expect([b.received, c.read('k')]).toEqual([[], 'value']);
    expect(a.replicas.views().map(({ wallet }) => wallet)).toEqual([c.member.wallet]);
  });
});

describe('a member that leaves the membership', () => {
  test('gets no further request in the middle of a comparison, and its late answer does not bring it back', async () => {
    const { nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    // The records of `b` fill two pages.
    for (let index = 0; index < 400; index += 1) b.put(`k${index}`, Buffer.alloc(15_000));
    b.before = ({ inner }) => {
      if (inner['type'] === 'snapshot_request') a.know([a.member]);
    };
    await a.tick();
    expect(b.types().filter((type) => type === 'snapshot_request')).toHaveLength(1);
    expect(b.types().at(-1)).toBe('snapshot_request');
    expect(a.replicas.views()).toEqual([]);
  });

  test('gets no request from a node that still asks which members are sure', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    a.sureness.noteTick(a.others(), false);
    const before = a.others();
    a.know([a.member]);
    await a.sureRound.whileReady(before, new AbortController().signal);
    expect([a.sureness.waitsFor(), network.requests, a.replicas.views()]).toEqual([[b.member.wallet], [], []]);
  });

  test('gets no push if its lane was still waiting for a turn', async () => {
    const { members, outcomes, pushes, replicas, state, tick, write } = startAlone(33);
    write(1);
    await tick();
    state.others = members.slice(0, 32);
    replicas.keepOnly(state.others);
    await tick();
    for (const push of pushes) {
      push.end();
      await settle();
    }
    const stayed = state.others.map(({ wallet }) => wallet);
    expect([...new Set(pushes.map(({ member }) => member.wallet))]).toEqual(stayed);
    expect(replicas.views().map(({ wallet }) => wallet)).toEqual(stayed);
    expect(outcomes).toEqual(['ok', 'ok']);
  });
});

describe('a tick', () => {
  test('caused by the interval starts a comparison with the next peer, but a tick caused by a write does not', async () => {
    const { nodes } = startNodes('a', 'b', 'c', 'd');
    const [a, ...peers] = nodes;
    const compared = () => peers.map((peer) => peer.types().filter((type) => type === 'digest_request').length);
    for (let tick = 0; tick < 4; tick += 1) await a.tick(true);
    expect(compared()).toEqual([0, 0, 0]);
    await a.tick();
    expect(compared().sort()).toEqual([0, 0, 1]);
    for (let tick = 0; tick < 5; tick += 1) await a.tick();
    expect(compared()).toEqual([2, 2, 2]);
  });

  test('sends no request to peers that have all records', async () => {
    const { network, nodes } = startNodes('a', 'b', 'c');
    const [a] = nodes;
    a.put('k', 'value');
    await a.tick(true);
    const before = triesOf(a, network.requests);
    for (let tick = 0; tick < 10; tick += 1) await a.tick(true);
    expect(triesOf(a, network.requests)).toBe(before);
  });

  test('does not delay pushes when its comparison fails', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.before = ({ inner }) => {
      if (inner['type'] === 'digest_request') throw new RefusalError('service_unavailable', 'cut off for too long');
    };
    for (let index = 0; index < 20; index += 1) {
      a.put(`k${index}`, 'value');
      await a.tick();
      await network.pass(10_000);
      expect(b.read(`k${index}`)).toBe('value');
    }
  });

  test('aborts its push when the node stops being ready', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'hang');
    a.put('k', 'value');
    await a.tick(true);
    a.unready();
    await network.rest();
    network.setWay(a, b, 'open');
    expect(b.read('k')).toBeNull();
    expect(a.replicaOf(b).view()).toMatchObject({ lastError: null, nextTryMs: null });
    await a.tick(true);
    expect(b.read('k')).toBe('value');
  });
});

const noRound: (member: Member, signal: AbortSignal) => Promise<boolean> = async () => false;

/** Starts a replicator whose pushes and rounds of anti-entropy are controlled by the test. */
function startAlone(memberCount: number) {
  const clock = new ManualClock();
  const log = collectingLog();
  const writes = new WriteLog<string>();
  const replicas = new Replicas({ clock, random: { unit: () => 0 }, store: { writes } });
  const members = Array.from({ length: memberCount }, (_, index) => memberOf(`0x${String(index).padStart(40, '0')}` as Wallet, 'aa' as TeePubkey));
  const pushes: { readonly member: Member; readonly signal: AbortSignal; readonly end: (error?: Error) => void; ended: boolean }[] = [];
  const refreshes: ReturnType<typeof Promise.withResolvers<undefined>>[] = [];
  const state = { others: members as readonly Member[], refreshes: false, endsAtOnce: true, broken: [] as Error[], compares: false, compareWith: noRound };
  /** The outcome of each tick, or null if the tick has not ended. */
  const outcomes: (string | null)[] = [];
  const replicator = new Replicator({
    clock,
    log,
    failures: new FailureLog({ clock }),
    replicas,
    push: {
      pushTo: async (member, _, signal) => {
        const { promise, resolve, reject } = Promise.withResolvers<boolean>();
        const push = {
          member,
          signal,
          ended: false,
          end: (error?: Error) => {
            push.ended = true;
            if (error === undefined) resolve(true);
            else reject(error);
          },
        };
        signal.addEventListener('abort', () => state.endsAtOnce && push.end(new Error('aborted')));
        pushes.push(push);
        return promise;
      },
    },
    antiEntropy: { compareWith: (member, _, signal) => state.compareWith(member, signal) },
    others: () => state.others,
    refreshMembership: async () => {
      if (!state.refreshes) return undefined;
      const refresh = Promise.withResolvers<undefined>();
      refreshes.push(refresh);
      return refresh.promise;
    },
    mayCompare: () => state.compares,
    onCompared: () => undefined,
    onBrokenInvariant: (error) => state.broken.push(error),
    watchSyncTick: () => {
      const at = outcomes.push(null) - 1;
      return (outcome) => void (outcomes[at] = outcome);
    },
  });
  const controller = new AbortController();
  const tick = async (signal = controller.signal): Promise<void> => {
    replicator.syncTick(true, signal);
    await settle();
  };
  const write = (number: number): void => void writes.append(number, 'k', 1);
  return { clock, log, replicas, members, pushes, outcomes, refreshes, state, replicator, controller, tick, write };
}

describe('lanes', () => {
  test('work at most 32 at a time, and every waiting lane gets its turn', async () => {
    const { pushes, tick, write } = startAlone(100);
    write(1);
    await tick();
    expect(pushes).toHaveLength(32);
    for (let ended = 0; ended < 100; ended += 1) {
      pushes[ended]!.end();
      await settle();
      expect(pushes.filter((push) => !push.ended).length).toBeLessThanOrEqual(32);
    }
    expect(new Set(pushes.map(({ member }) => member.wallet)).size).toBe(100);
  });

  test('all work again when the node becomes ready again', async () => {
    const { replicator, controller, pushes, tick, write } = startAlone(100);
    write(1);
    await tick();
    controller.abort(new Error('the node is no longer ready'));
    await settle();
    const before = pushes.length;
    const again = new AbortController();
    replicator.syncTick(true, again.signal);
    await settle();
    for (let at = before; at < pushes.length; at += 1) {
      pushes[at]!.end();
      await settle();
    }
    expect(new Set(pushes.slice(before).map(({ member }) => member.wallet)).size).toBe(100);
  });

  test('push once more if ticks arrive while they work', async () => {
    const { pushes, tick, write } = startAlone(1);
    write(1);
    await tick();
    await tick();
    await tick();
    expect(pushes).toHaveLength(1);
    pushes[0]!.end();
    await settle();
    expect(pushes).toHaveLength(2);
    pushes[1]!.end();
    await settle();
    expect(pushes).toHaveLength(2);
  });

  test('use the new URL of a member immediately, even if a request to the old URL hangs', async () => {
    const { members, pushes, state, tick, write } = startAlone(1);
    write(1);
    await tick();
    state.others = [{ ...members[0]!, url: 'https://moved.test' }];
    await tick();
    expect(pushes.map(({ member }) => member.url)).toEqual(['https://peer.test', 'https://moved.test']);
  });

  test('report a broken invariant to the node', async () => {
    const { pushes, tick, write, state } = startAlone(1);
    write(1);
    await tick();
    pushes[0]!.end(new InvariantError('a rule is broken'));
    await settle();
    expect(state.broken.map(({ message }) => message)).toEqual(['a rule is broken']);
  });

  test('keep working after an unexpected error, which is logged without its message', async () => {
    const { log, pushes, tick, write, state, clock } = startAlone(1);
    write(1);
    await tick();
    pushes[0]!.end(new TypeError('secret text'));
    await settle();
    expect(state.broken).toEqual([]);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(JSON.stringify(log.lines)).not.toContain('secret text');
    await clock.advance(1_000);
    await tick();
    expect(pushes).toHaveLength(2);
  });
});

describe('a tick that is about to end', () => {
  test('waits for the new lane of a member that has a new URL, not for its old lane', async () => {
    const { members, pushes, outcomes, state, tick, write } = startAlone(1);
    write(1);
    await tick();
    state.others = [{ ...members[0]!, url: 'https://moved.test' }];
    await tick();
    pushes[0]!.end();
    await settle();
    expect(outcomes).toEqual(['ok', null]);
    pushes[1]!.end(new TypeError('no way'));
    await settle();
    expect(outcomes).toEqual(['ok', '1 of 1 peers failed']);
  });

  test('does not wait for a lane that is still working for an aborted tick', async () => {
    const { controller, members, pushes, outcomes, state, tick, write } = startAlone(2);
    state.endsAtOnce = false;
    state.others = members.slice(0, 1);
    write(1);
    await tick();
    controller.abort();
    state.others = members.slice(1);
    await tick(new AbortController().signal);
    pushes[0]!.end(new Error('aborted'));
    await settle();
    expect(outcomes).toEqual(['aborted', null]);
    pushes[1]!.end();
    await settle();
    expect(outcomes).toEqual(['aborted', 'ok']);
  });
});

describe('a lane that is still working for an aborted tick', () => {
  test.each([['with a failure', new Error('aborted')], ['without a failure', undefined]])('does the work of a later tick as soon as its earlier work has ended %s', async (_, error) => {
    const { controller, pushes, outcomes, state, tick, write } = startAlone(1);
    state.endsAtOnce = false;
    write(1);
    await tick();
    controller.abort();
    const { signal } = new AbortController();
    await tick(signal);
    expect(pushes).toHaveLength(1);
    pushes[0]!.end(error);
    await settle();
    expect(pushes.map((push) => push.signal)).toEqual([controller.signal, signal]);
    expect(outcomes).toEqual(['aborted', null]);
    pushes[1]!.end();
    await settle();
    expect([pushes.length, outcomes]).toEqual([2, ['aborted', 'ok']]);
  });

  test('does no further work if the later tick is aborted too, or if its member has a new URL', async () => {
    const { controller, members, pushes, outcomes, state, tick, write } = startAlone(2);
    state.endsAtOnce = false;
    write(1);
    await tick();
    controller.abort();
    const second = new AbortController();
    await tick(second.signal);
    state.others = [{ ...members[0]!, url: 'https://moved.test' }, members[1]!];
    await tick(second.signal);
    pushes[0]!.end(new Error('aborted'));
    await settle();
    expect(pushes.map(({ member }) => member.url)).toEqual(['https://peer.test', 'https://peer.test', 'https://moved.test']);
    second.abort();
    pushes[1]!.end(new Error('aborted'));
    await settle();
    expect([pushes.length, outcomes]).toEqual([3, ['aborted', 'aborted', 'aborted']]);
  });

  test('counts as one of the 32 lanes that may work at the same time', async () => {
    const { controller, pushes, outcomes, state, tick, write } = startAlone(100);
    state.endsAtOnce = false;
    write(1);
    await tick();
    controller.abort();
    const { signal } = new AbortController();
    await tick(signal);
    for (let ended = 0; ended < pushes.length; ended += 1) {
      pushes[ended]!.end(ended < 32 ? new Error('aborted') : undefined);
      await settle();
      expect(pushes.filter((push) => !push.ended).length).toBeLessThanOrEqual(32);
    }
    const later = pushes.slice(32);
    expect(later.every((push) => push.signal === signal)).toBe(true);
    expect([later.length, new Set(later.map(({ member }) => member.wallet)).size]).toEqual([100, 100]);
    expect(outcomes).toEqual(['aborted', 'ok']);
  });
});

describe('the membership', () => {
  test('is refreshed before a push, so a node that is no longer a member gets no records', async () => {
    const { members, pushes, refreshes, state, tick, write } = startAlone(2);
    state.refreshes = true;
    write(1);
    await tick();
    expect([pushes.length, refreshes.length]).toEqual([0, 1]);
    state.others = members.slice(1);
    refreshes[0]!.resolve(undefined);
    await settle();
    expect(pushes.map(({ member }) => member.wallet)).toEqual([members[1]!.wallet]);
  });

  test('never has two refreshes at the same time, regardless of the number of ticks', async () => {
    const { pushes, refreshes, state, tick, write } = startAlone(1);
    state.refreshes = true;
    write(1);
    for (let times = 0; times < 5; times += 1) await tick();
    expect(refreshes).toHaveLength(1);
    refreshes[0]!.resolve(undefined);
    await settle();
    expect(pushes).toHaveLength(1);
    await tick();
    expect(refreshes).toHaveLength(2);
  });

  test.each(['fails', 'hangs'])('from the previous refresh stays in use when a refresh %s', async (how) => {
    const { clock, pushes, refreshes, state, tick, write } = startAlone(2);
    state.refreshes = true;
    write(1);
    await tick();
    if (how === 'fails') refreshes[0]!.reject(new DependencyError('chain', 'unreachable', 'the RPC cannot be reached'));
    await clock.advance(how === 'fails' ? 0 : 1_000);
    expect(pushes).toHaveLength(2);
    expect(state.broken).toEqual([]);
  });
});

describe('the last push', () => {
  test('sends the remaining writes, even to peers whose lanes pause after a failure', async () => {
    const { network, nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    network.setWay(a, b, 'cut');
    a.put('k', 'value');
    for (let times = 0; times < 6; times += 1) {
      await a.tick(true);
      await network.pass(10_000);
    }
    await a.tick(true);
    network.setWay(a, b, 'open');
    a.put('last', 'value');
    const done = a.replicator.lastPush(() => true, new AbortController().signal);
    await network.pass(100, 20);
    await done;
    expect([b.read('k'), b.read('last'), c.read('last')]).toEqual(['value', 'value', 'value']);
  });

  test('repeats a push that was aborted when the node stopped being ready', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'hang');
    a.put('k', 'value');
    await a.tick(true);
    network.setWay(a, b, 'open');
    // As in a real shutdown, the state machine ends first, and the last push begins immediately afterwards.
    a.unready();
    const done = a.replicator.lastPush(() => true, new AbortController().signal);
    await network.pass(200, 20);
    await done;
    expect(b.read('k')).toBe('value');
  });

  test('ends immediately when there is nothing to send, or no peer to send to', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    await a.replicator.lastPush(() => true, new AbortController().signal);
    a.know([a.member]);
    a.put('k', 'value');
    await a.replicator.lastPush(() => true, new AbortController().signal);
    expect([network.requests, b.received]).toEqual([[], []]);
  });

  test('gives up on an unreachable peer, and ends when its signal aborts while a peer hangs', async () => {
    const { network, nodes } = startNodes('a', 'b', 'c', 'd');
    const [a, b, c, d] = nodes;
    network.setWay(a, b, 'cut');
    a.put('k', 'value');
    const ended = a.replicator.lastPush(() => true, new AbortController().signal);
    await network.pass(100, 20);
    await ended;
    expect([c.read('k'), d.read('k')]).toEqual(['value', 'value']);
    network.setWay(a, c, 'hang');
    a.put('l', 'value');
    const limit = new AbortController();
    const cutOff = a.replicator.lastPush(() => true, limit.signal).catch((error: unknown) => error);
    await network.pass(100, 20);
    expect(d.read('l')).toBe('value');
    limit.abort(new Error('the limit'));
    expect(await cutOff).toEqual(new Error('the limit'));
  });

  test('continues until all requests from apps have ended, and sends the writes of these requests immediately', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    let drained = false;
    let ended = false;
    const done = a.replicator.lastPush(() => drained, new AbortController().signal).then(() => (ended = true));
    await network.pass(1_000, 20);
    const write = waitingFor(a, a.put('k', 'value'), 1);
    await network.pass(100, 20);
    expect([write.outcome, b.read('k'), ended]).toEqual([1, 'value', false]);
    drained = true;
    await network.pass(100, 20);
    await done;
  });

  test('tries a failed peer once more when the last request from an app has ended', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'cut');
    a.put('k', 'value');
    let drained = false;
    const done = a.replicator.lastPush(() => drained, new AbortController().signal);
    await network.pass(200, 20);
    network.setWay(a, b, 'open');
    await network.pass(200, 20);
    expect(b.read('k')).toBeNull();
    drained = true;
    await network.pass(200, 20);
    await done;
    expect(b.read('k')).toBe('value');
  });

  test('of a stale node ends, even if the node holds back records that others may have deleted', async () => {
    const { network, nodes } = startNodes('a', 'c');
    const [a, c] = nodes;
    c.put('x', 'value');
    await c.tick(true);
    network.isolate(c);
    await network.pass(RETENTION_MS + 3_600_000, 3_600_000);
    network.isolate(c, 'open');
    a.loseStore();
    a.staleness.resolve();
    await expect(a.compareWith(c)).rejects.toThrow('503');
    await network.run(3, [c]);
    expect([c.staleness.isStale(), c.replicaOf(a).progress.hasUnsent]).toEqual([true, true]);
    let ended = false;
    const done = c.replicator.lastPush(() => true, new AbortController().signal).then(() => (ended = true));
    await network.pass(1_000, 20);
    expect(ended).toBe(true);
    await done;
    expect(a.keys()).toEqual([]);
  });

  test('sends new writes to the other peers while a peer with a backlog hangs', async () => {
    const { network, nodes } = startNodes('a', 'b', 'c');
    const [a, b, c] = nodes;
    network.setWay(a, c, 'hang');
    a.put('before', 'value');
    const limit = new AbortController();
    const cutOff = a.replicator.lastPush(() => true, limit.signal).catch((error: unknown) => error);
    await network.pass(100, 20);
    // This write belongs to a request that began before the shutdown.
    a.put('in flight', 'value');
    await network.pass(200, 20);
    expect([b.read('before'), b.read('in flight')]).toEqual(['value', 'value']);
    limit.abort(new Error('the limit'));
    expect(await cutOff).toEqual(new Error('the limit'));
  });
});

describe('anti-entropy', () => {
  test('does not start if the node became stale while it waited for the peer, because deleted keys would otherwise come back', async () => {
    const { network, clock, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    network.setWay(a, b, 'cut');
    a.put('k', 'value');
    await a.tick();
    // After a failure, the node waits before it contacts the peer again, so the anti-entropy of this tick has to wait.
    await a.tick();
    await clock.advance(RETENTION_MS + 1);
    expect(a.staleness.isStale()).toBe(true);
    network.setWay(a, b, 'open');
    await a.tick();
    expect(b.types()).not.toContain('digest_request');
    await a.fetchSnapshot();
    await network.run(30, [a]);
    expect(b.types()).toContain('digest_request');
  });
});

describe('rounds of anti-entropy', () => {
  /** A replicator whose rounds of anti-entropy do not end until the test ends them or they time out. */
  function startRounds(members: number) {
    const alone = startAlone(members);
    const rounds: { readonly member: Member; readonly end: () => void; isOver: boolean }[] = [];
    alone.state.compares = true;
    alone.state.compareWith = async (member, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<boolean>();
      const round = {
        member,
        isOver: false,
        end: (): void => {
          round.isOver = true;
          resolve(true);
        },
      };
      rounds.push(round);
      signal.addEventListener('abort', () => {
        round.isOver = true;
        reject(signal.reason as Error);
      });
      return promise;
    };
    const interval = async (): Promise<void> => {
      alone.replicator.syncTick(false, alone.controller.signal);
      await settle();
      for (const push of alone.pushes) if (!push.ended) push.end();
      await settle();
    };
    return { ...alone, rounds, interval, underWay: () => rounds.filter(({ isOver }) => !isOver) };
  }

  test('run at most two at a time, and each member still gets its turn', async () => {
    const { rounds, interval, underWay } = startRounds(5);
    for (let tick = 0; tick < 40; tick += 1) {
      await interval();
      expect(underWay().length).toBeLessThanOrEqual(2);
      // At every fourth tick, the oldest round ends.
      if (tick % 4 === 3) underWay()[0]?.end();
      await settle();
    }
    expect(new Set(rounds.map(({ member }) => member.wallet)).size).toBe(5);
  });

  test('end after a timeout, so that a peer with endless answers cannot block later rounds', async () => {
    const { clock, interval, underWay } = startRounds(3);
    await interval();
    await interval();
    expect(underWay()).toHaveLength(2);
    for (let seconds = 0; seconds < 600; seconds += 1) await clock.advance(1_000);
    await settle();
    expect(underWay()).toEqual([]);
  });
});

describe('anti-entropy that fails', () => {
  test('does not delay pushes: only the anti-entropy with that peer pauses', async () => {
    const { network, nodes } = startNodes('a', 'b');
    const [a, b] = nodes;
    b.before = ({ inner }) => {
      if (inner['type'] === 'digest_request') throw new RefusalError('service_unavailable', 'not now');
    };
    a.put('k', 'value');
    for (let times = 0; times < 12; times += 1) {
      await a.tick();
      await network.pass(2_000);
    }
    const asked = b.types().filter((type) => type === 'digest_request').length;
    expect(asked).toBeGreaterThan(1);
    expect(asked).toBeLessThan(12);
    a.put('later', 'value');
    await a.tick(true);
    expect([b.read('later'), a.replicaOf(b).view().nextTryMs]).toEqual(['value', null]);
  });
});
