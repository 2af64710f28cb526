/** The first snapshot (protocol.md §10, First snapshot and Pages): its source, its pages, and what happens if no snapshot is complete. */
import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../../src/domain/deadline.ts';
import type { StoreId } from '../../../src/domain/ids.ts';
import type { Member } from '../../../src/domain/membership.ts';
import type { MergeVerdict } from '../../../src/domain/records.ts';
import { STEP_TIMEOUT_MS } from '../../../src/machines/limits.ts';
import { SOURCE_TIMEOUT_MS, SNAPSHOT_TIMEOUT_MS, SnapshotFetch } from '../../../src/sync/snapshot-fetch.ts';
import { startAskingNode } from '../../support/asking-node.ts';
import type { SureListener } from '../../../src/sync/sure-members.ts';
import { settle, type ManualClock } from '../../support/manual-clock.ts';
import { answerOf, never, PeerSide, type PeerBehaviour } from '../../support/peer-side.ts';

interface Page {
  readonly keys: readonly string[];
  readonly complete?: boolean;
  readonly sure?: boolean;
  /** Whether the member fails instead of sending the page. */
  readonly fails?: boolean;
}

/** A member that sends these pages. The cursor is the number of the page. */
function source(...pages: readonly Page[]): PeerBehaviour {
  const numberOf = (cursor: unknown): number => (cursor === undefined ? 0 : Number(cursor));
  return {
    answer: ({ inner }) => {
      const number = numberOf(inner['cursor']);
      const page = pages[number]!;
      return {
        data: { '100': page.keys },
        ...(page.complete === undefined ? {} : { complete: page.complete }),
        ...(page.sure === undefined ? {} : { sure: page.sure }),
        ...(number + 1 < pages.length ? { next_cursor: String(number + 1) } : {}),
      };
    },
    bend: (answer, { inner }) => (pages[numberOf(inner['cursor'])]!.fails === true ? answerOf(503, {}) : answer),
  };
}

const SILENT: PeerBehaviour = { nonce: never };
const REFUSING: PeerBehaviour = { bend: () => answerOf(403, {}) };
const INCOMPLETE = (...keys: string[]): PeerBehaviour => source({ keys, complete: false });

/** A store that accepts every record except those with the key `bad`, and has no room for those with the key `large`. */
function takingStore(merged: string[]) {
  return {
    storeId: '00112233aabbccdd' as StoreId,
    merge: (_: string, wire: unknown): MergeVerdict => {
      if (wire === 'bad') return { kind: 'rejected', why: 'malformed' };
      if (wire === 'large') return { kind: 'rejected', why: 'store_full' };
      merged.push(wire as string);
      return { kind: 'merged' };
    },
  };
}

function start(behaviours: Readonly<Record<string, PeerBehaviour>>, preferred: string | null = null) {
  const peers = Object.entries(behaviours).map(([name, behaviour]) => new PeerSide(name, behaviour));
  const byName = new Map(Object.keys(behaviours).map((name, index) => [name, peers[index]!]));
  const node = startAskingNode(peers);
  const merged: string[] = [];
  const random = { bytes: (length: number) => node.random.bytes(length), unit: () => 0 };
  const store = takingStore(merged);
  const leftOut: { readonly from: string; readonly reasons: Readonly<Record<string, number>> }[] = [];
  const onLeftOut = (member: Member, reasons: Readonly<Record<string, number>>): void => {
    leftOut.push({ from: [...byName].find(([, peer]) => peer.member.wallet === member.wallet)![0], reasons });
  };
  /** What the fetch has reported to the sureness listener, in order. */
  const heard: string[] = [];
  const nameOf = ({ wallet }: Member): string => [...byName].find(([, peer]) => peer.member.wallet === wallet)![0];
  const sureness: SureListener = {
    onAnswered: (member, sure) => void heard.push(`node ${nameOf(member)} ${sure ? 'is sure' : 'answers'}`),
    onSilent: (member) => void heard.push(`node ${nameOf(member)} is silent`),
    onMerged: (member, { sure, leftOut: some }) => void heard.push(`node ${nameOf(member)} gave ${some ? 'only some' : 'all'} records${sure ? ', and is sure' : ''}`),
  };
  const fetch = new SnapshotFetch({ maxAnswerBytes: 52_428_800 }, { ...node, random, store, onLeftOut, sureness, resyncBeganAtMs: () => null, yieldNow: async () => undefined });
  const controller = new AbortController();
  const preferredWallet = preferred === null ? null : byName.get(preferred)!.member.wallet;
  const ask = () => fetch.fetchFirstSnapshot(peers.map(({ member }) => member), preferredWallet, controller.signal);
  const outcome = ask();
  outcome.catch(() => undefined);
  const walletOf = (name: string) => byName.get(name)!.member.wallet;
  const asked = () => Object.fromEntries([...byName].map(([name, { syncRequests }]) => [name, syncRequests.length]));
  return { ...node, heard, peers, merged, store, controller, ask, outcome, walletOf, asked, leftOut };
}

describe('a complete snapshot', () => {
  test('is merged from the first member that sends one', async () => {
    const { outcome, merged, walletOf, asked } = start({ a: source({ keys: ['k1', 'k2'] }), b: source({ keys: ['k3'] }) });
    expect(await outcome).toEqual({ asked: 1, answered: 1, completeFrom: walletOf('a') });
    expect(merged).toEqual(['k1', 'k2']);
    expect(asked()).toEqual({ a: 1, b: 0 });
  });

  test('is requested from the preferred member first', async () => {
    const { outcome, walletOf, asked } = start({ a: source({ keys: [] }), b: source({ keys: [] }) }, 'b');
    expect((await outcome).completeFrom).toBe(walletOf('b'));
    expect(asked()).toEqual({ a: 0, b: 1 });
  });

  test.each([
    ['complete: true', { complete: true }],
    ['the answer of an older node, which has no field `complete`', {}],
  ])('is recognized from %s', async (_, page) => {
    const { outcome, walletOf } = start({ a: source({ keys: ['k1'], ...page }) });
    expect((await outcome).completeFrom).toBe(walletOf('a'));
  });

  test('may be empty', async () => {
    const { outcome, walletOf } = start({ a: source({ keys: [] }) });
    expect((await outcome).completeFrom).toBe(walletOf('a'));
  });

  test('is requested in pages of at most 8 MiB, from cursor to cursor', async () => {
    const { outcome, merged, peers } = start({ a: source({ keys: ['k1'] }, { keys: ['k2'] }, { keys: ['k3'] }) });
    await outcome;
    expect(merged).toEqual(['k1', 'k2', 'k3']);
    const { messages } = peers[0]!;
    expect(messages.map(({ type, cursor }) => ({ type, cursor }))).toEqual([undefined, '1', '2'].map((cursor) => ({ type: 'snapshot_request', cursor })));
    for (const { max_bytes: maxBytes } of messages) {
      expect(maxBytes).toBeGreaterThanOrEqual(4_096);
      expect(maxBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
    }
  });
});

describe('the sureness listener hears the outcome of a fetch from a member', () => {
  test.each<[string, PeerBehaviour, readonly string[]]>([
    ['that is sure', source({ keys: ['k1'], sure: true }), ['node a is sure', 'node a gave all records, and is sure']],
    ['that is not sure', source({ keys: ['k1'] }), ['node a answers', 'node a gave all records']],
    ['that lacks its own first snapshot', source({ keys: ['k1'], complete: false }), ['node a answers', 'node a gave all records']],
    ['that becomes sure only at a later page', source({ keys: ['k1'] }, { keys: ['k2'], sure: true }), ['node a answers', 'node a is sure', 'node a gave all records']],
    ['with records for which there is no room', source({ keys: ['large', 'k1'], sure: true }), ['node a is sure', 'node a gave only some records, and is sure']],
    ['whose first page has records for which there is no room', source({ keys: ['large', 'k1'], sure: true }, { keys: ['k2'], sure: true }), ['node a is sure', 'node a is sure', 'node a gave only some records, and is sure']],
    ['with bad records, which every node refuses', source({ keys: ['bad', 'k1'], sure: true }), ['node a is sure', 'node a gave all records, and is sure']],
    ['that stops half-way', source({ keys: ['k1'], sure: true }, { keys: [], fails: true }), ['node a is sure', 'node a answers']],
    ['that refuses because it has no secret', { bend: () => answerOf(503, {}) }, ['node a answers']],
    ['that does not treat this node as a member', REFUSING, ['node a is silent']],
  ])('%s', async (_, behaviour, expected) => {
    const { outcome, heard } = start({ a: behaviour });
    await outcome;
    expect(heard).toEqual(expected);
  });
});

describe('a member', () => {
  test.each<[string, PeerBehaviour, boolean]>([
    ['it refuses the next page', source({ keys: ['k1'] }, { keys: [], fails: true }), false],
    ['this node must refuse all records from it', source({ keys: ['bad', 'bad'] }, { keys: ['bad'] }), false],
    ['there is no room for its records', source({ keys: ['large', 'large'] }), false],
    ['there is no room for one record and the other record is bad', source({ keys: ['large', 'bad'] }), false],
    ['it sends the same cursor again', { answer: () => ({ data: { '100': ['k1'] }, next_cursor: 'same' }) }, true],
    ['its next page is malformed', { answer: ({ inner }) => (inner['cursor'] === undefined ? { data: { '100': ['k1'] }, next_cursor: 'x' } : { data: 17 }) }, true],
  ])('is given up half-way when %s; the next member then sends all its records', async (_, behaviour, noted) => {
    const { outcome, merged, walletOf, book, peers } = start({ a: behaviour, b: source({ keys: ['k1', 'k2'] }) });
    expect(await outcome).toEqual({ asked: 2, answered: 1, completeFrom: walletOf('b') });
    expect(merged.slice(-2)).toEqual(['k1', 'k2']);
    expect(book.isWrong(peers[0]!.member)).toBe(noted);
  });

  test.each<[string, PeerBehaviour, readonly Readonly<Record<string, number>>[]]>([
    ['between good records', source({ keys: ['k1', 'bad', 'k2'] }), [{ malformed: 1 }]],
    ['on a page before the good records', source({ keys: ['bad', 'bad'] }, { keys: ['k1', 'k2'] }), [{ malformed: 2 }]],
    ['on a page after the good records', source({ keys: ['k1', 'k2'] }, { keys: ['bad'] }), [{ malformed: 1 }]],
    ['on pages of one record each', source({ keys: ['k1'] }, { keys: ['bad'] }, { keys: ['k2'] }, { keys: ['bad'] }), [{ malformed: 1 }, { malformed: 1 }]],
    ['on the same page as records for which there is no room', source({ keys: ['k1', 'bad', 'large', 'k2'] }), [{ malformed: 1, store_full: 1 }]],
  ])('with bad records %s is not given up: the bad records are omitted and counted', async (_, behaviour, reasons) => {
    const { outcome, merged, walletOf, book, peers, leftOut } = start({ a: behaviour, b: source({ keys: [] }) }, 'a');
    expect((await outcome).completeFrom).toBe(walletOf('a'));
    expect([merged, book.isWrong(peers[0]!.member)]).toEqual([['k1', 'k2'], false]);
    expect(leftOut).toEqual(reasons.map((each) => ({ from: 'a', reasons: each })));
  });
});

describe('a member that lacks its own first snapshot', () => {
  test('is given up after its first page if there are members that have not been asked yet', async () => {
    const { outcome, merged, walletOf, asked } = start({
      a: source({ keys: ['k1'], complete: false }, { keys: ['k2'], complete: false }),
      b: source({ keys: ['k3'] }),
    });
    expect(await outcome).toEqual({ asked: 2, answered: 1, completeFrom: walletOf('b') });
    expect(asked()).toEqual({ a: 1, b: 1 });
    expect(merged).toEqual(['k3']);
  });

  test('is asked for all its pages, and all its records are merged, when no member sends a complete snapshot', async () => {
    const { outcome, merged, asked } = start({
      a: source({ keys: ['k1'], complete: false }, { keys: ['k2'], complete: false }),
      b: INCOMPLETE('k3'),
    });
    expect(await outcome).toEqual({ asked: 2, answered: 2, completeFrom: null });
    expect(merged).toEqual(['k1', 'k2', 'k3']);
    expect(asked()).toEqual({ a: 2, b: 1 });
  });

  test('supplies all its records even if there are many such members: pages that were not kept are requested again', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const { outcome, merged, asked } = start(Object.fromEntries(names.map((name) => [name, INCOMPLETE(`of ${name}`)])));
    expect(await outcome).toEqual({ asked: 6, answered: 6, completeFrom: null });
    expect([...merged].sort()).toEqual(names.map((name) => `of ${name}`));
    expect(Object.values(asked()).sort()).toEqual([1, 1, 1, 1, 2, 2]);
  });

  test('is not counted as answered when it fails half-way', async () => {
    const { outcome, merged } = start({ a: source({ keys: ['k1'], complete: false }, { keys: [], fails: true }), b: INCOMPLETE('k2') });
    expect(await outcome).toEqual({ asked: 2, answered: 1, completeFrom: null });
    expect(merged).toEqual(['k1', 'k2']);
  });

  test('supplies its records when the member with the complete snapshot fails half-way', async () => {
    const { outcome, merged } = start({ a: INCOMPLETE('k1'), b: source({ keys: ['k2'] }, { keys: [], fails: true }) });
    expect(await outcome).toEqual({ asked: 2, answered: 1, completeFrom: null });
    expect(merged).toEqual(['k2', 'k1']);
  });
});

describe('members that do not answer', () => {
  test('are counted as asked, but not as answered', async () => {
    const { outcome } = start({ a: REFUSING, b: INCOMPLETE('k1'), c: REFUSING });
    expect(await outcome).toEqual({ asked: 3, answered: 1, completeFrom: null });
  });

  test('do not delay the others: the next member is asked 500 ms later', async () => {
    const { outcome, clock, walletOf } = start({ a: SILENT, b: source({ keys: ['k1'] }) });
    await clock.advance(500);
    expect(await outcome).toEqual({ asked: 2, answered: 1, completeFrom: walletOf('b') });
  });

  test('do not cause other members to be counted as asked before they are asked', async () => {
    const { outcome, clock, peers } = start({ a: SILENT, b: source({ keys: ['k1'] }), c: source({ keys: [] }), d: source({ keys: [] }) });
    await clock.advance(500);
    expect((await outcome).asked).toBe(2);
    await clock.advance(60_000);
    expect(peers.map(({ nonceRequests }) => nonceRequests.length)).toEqual([1, 1, 0, 0]);
  });

  test('leave the node without a snapshot if there are no other members', async () => {
    const { outcome, merged } = start({ a: REFUSING, b: REFUSING });
    expect(await outcome).toEqual({ asked: 2, answered: 0, completeFrom: null });
    expect(merged).toEqual([]);
  });
});

test('a node without peers counts no member as asked', async () => {
  expect(await start({}).outcome).toEqual({ asked: 0, answered: 0, completeFrom: null });
});

/** A member that sends pages of one record each, and takes `msPerPage` for each page. The cursor is the number of the page. */
function pagesFrom(name: string, clock: () => ManualClock, msPerPage: number, pages = Infinity): PeerBehaviour {
  return {
    answer: async ({ inner, request }) => {
      const number = Number(inner['cursor'] ?? 0);
      await sleep(clock(), msPerPage, request.signal);
      return { data: { '100': [`${name}${number}`] }, store_id: STORE_ID, ...(number + 1 < pages ? { next_cursor: String(number + 1) } : {}) };
    },
  };
}

const STORE_ID = 'ffeeddccbbaa9988';

function startSlow(make: (pages: (name: string, msPerPage: number, pages?: number) => PeerBehaviour) => Readonly<Record<string, PeerBehaviour>>) {
  const running: { clock?: ManualClock } = {};
  const started = start(make((name, msPerPage, pages) => pagesFrom(name, () => running.clock!, msPerPage, pages)));
  running.clock = started.clock;
  return started;
}

/** Lets time pass until the outcome is known, and returns the outcome and the time that has passed. */
async function outcomeOf<T>(clock: ManualClock, outcome: Promise<T>): Promise<{ outcome: T; tookMs: number }> {
  const startedMs = clock.monotonicMs();
  const settled: { value?: { outcome: T } } = {};
  outcome.then((value) => (settled.value = { outcome: value }), () => undefined);
  while (settled.value === undefined && clock.monotonicMs() - startedMs < STEP_TIMEOUT_MS.fetchingSnapshot) await clock.advance(500);
  return { outcome: await outcome, tookMs: clock.monotonicMs() - startedMs };
}

describe('endless pages', () => {
  test('do not use up the timeout of the step: the fetch ends earlier, and its outcome counts the members that were asked', async () => {
    const { clock, outcome } = startSlow((pages) => ({ a: pages('a', 1_000) }));
    const { outcome: found, tookMs } = await outcomeOf(clock, outcome);
    expect(found).toEqual({ asked: 1, answered: 0, completeFrom: null });
    expect(tookMs).toBeLessThanOrEqual(SNAPSHOT_TIMEOUT_MS);
    expect(SNAPSHOT_TIMEOUT_MS).toBeLessThan(STEP_TIMEOUT_MS.fetchingSnapshot);
  });

  test('do not block the others: the next member is asked after the timeout for one member', async () => {
    const { clock, outcome, walletOf } = startSlow((pages) => ({ a: pages('a', 100), b: source({ keys: ['k1'] }) }));
    const { outcome: found, tookMs } = await outcomeOf(clock, outcome);
    expect(found).toEqual({ asked: 2, answered: 1, completeFrom: walletOf('b') });
    expect(tookMs).toBeGreaterThan(SOURCE_TIMEOUT_MS);
    expect(tookMs).toBeLessThanOrEqual(SOURCE_TIMEOUT_MS + 2_000);
  });

  test('do not prevent the merge of records from a member that lacks its own first snapshot', async () => {
    const { clock, outcome, merged } = startSlow((pages) => ({ a: pages('a', 1_000), b: INCOMPLETE('k1') }));
    expect((await outcomeOf(clock, outcome)).outcome).toEqual({ asked: 2, answered: 1, completeFrom: null });
    expect(merged).toContain('k1');
  });
});

describe('a snapshot that takes longer than one fetch', () => {
  const cursorsOf = (peer: PeerSide) => peer.messages.map(({ cursor }) => cursor);

  test('continues in the next fetch at the page where it stopped', async () => {
    const { clock, outcome, ask, merged, peers, walletOf } = startSlow((pages) => ({ a: pages('a', 10_000, 15) }));
    expect((await outcomeOf(clock, outcome)).outcome.completeFrom).toBeNull();
    const before = merged.length;
    expect(before).toBeGreaterThan(5);
    const askedBefore = peers[0]!.syncRequests.length;
    expect((await outcomeOf(clock, ask())).outcome).toEqual({ asked: 1, answered: 1, completeFrom: walletOf('a') });
    expect(cursorsOf(peers[0]!)[askedBefore]).toBe(String(before));
    expect(merged).toEqual(Array.from({ length: 15 }, (_, number) => `a${number}`));
  });

  test('continues in the same fetch if time is left after the other members were asked', async () => {
    const { clock, outcome, merged, walletOf } = startSlow((pages) => ({ a: pages('a', 10_000, 6), b: REFUSING }));
    expect((await outcomeOf(clock, outcome)).outcome).toEqual({ asked: 2, answered: 1, completeFrom: walletOf('a') });
    expect(merged).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5']);
  });

  test.each<[string, (started: ReturnType<typeof start>) => void | Promise<void>]>([
    ['the member has a new store', ({ peers }) => void (peers[0]!.behaviour.answer = () => ({ data: { '100': ['new'] }, store_id: '1111111111111111' }))],
    ['the member refuses the cursor', ({ peers }) => void (peers[0]!.behaviour.bend = (answer, { inner }) => (inner['cursor'] === undefined ? answer : answerOf(400, {})))],
    ['the store of this node was emptied', ({ store }) => void (store.storeId = '2222222222222222' as StoreId)],
    ['too much time has passed', ({ clock }) => clock.advance(600_000)],
  ])('starts again at the first page when %s', async (_, change) => {
    const started = startSlow((pages) => ({ a: pages('a', 10_000, 15) }));
    const { clock, outcome, ask, peers } = started;
    await outcomeOf(clock, outcome);
    const before = peers[0]!.syncRequests.length;
    await change(started);
    await outcomeOf(clock, ask());
    expect(cursorsOf(peers[0]!).slice(before, before + 2)).toContain(undefined);
  });

  test('is not complete when the member now reports complete: false; the fetch then starts again at the first page', async () => {
    const { clock, outcome, ask, peers } = startSlow((pages) => ({ a: pages('a', 10_000, 15) }));
    await outcomeOf(clock, outcome);
    const before = peers[0]!.syncRequests.length;
    peers[0]!.behaviour.answer = () => ({ data: { '100': ['new'] }, store_id: STORE_ID, complete: false });
    expect((await outcomeOf(clock, ask())).outcome).toEqual({ asked: 1, answered: 1, completeFrom: null });
    expect(cursorsOf(peers[0]!).slice(before)).toEqual([expect.any(String), undefined]);
  });

  test('is given up when the store of the member changes between two pages', async () => {
    const { outcome } = start({
      a: { answer: ({ inner }) => ({ data: { '100': ['k1'] }, store_id: inner['cursor'] === undefined ? STORE_ID : '3333333333333333', ...(inner['cursor'] === undefined ? { next_cursor: '1' } : {}) }) },
    });
    expect(await outcome).toEqual({ asked: 1, answered: 0, completeFrom: null });
  });
});

test('when the store is emptied during the fetch, the current page fails, but the fetch does not throw', async () => {
  const { outcome, store } = start({ a: source({ keys: ['k1', 'k2'] }) });
  store.merge = () => {
    store.storeId = '4444444444444444' as StoreId;
    return { kind: 'merged' };
  };
  expect(await outcome).toEqual({ asked: 1, answered: 0, completeFrom: null });
});

test('an abort ends the fetch with the reason of the abort', async () => {
  const { outcome, controller } = start({ a: SILENT });
  await settle();
  controller.abort(new Error('the step is over'));
  await expect(outcome).rejects.toThrow('the step is over');
});
