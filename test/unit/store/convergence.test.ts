/**
 * Replicas converge (protocol.md §4, Merge and Local write; §9.9): stores become equal, regardless of the order in which records arrive.
 * The histories consist of local writes by up to five nodes, with clock skew, restarts, deletes, lifetimes and ties.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WireRecord } from '../../../src/domain/records.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { LIMITS, openStore, START_MS } from './open-store.ts';

const APP = '7';
const KEYS = ['a', 'b'];
const NODES = 5;
/** This retention is so long that no record is dropped because of its age during these histories. */
const LONG = { tombstoneRetentionMs: 1_000_000_000 };
/** A time after all writes, according to the clock of every node. */
const LATE_MS = START_MS + 200_000;

interface Action {
  readonly kind: 'put' | 'delete' | 'hear' | 'restart' | 'pass';
  readonly node: number;
  readonly key: string;
  readonly fill: number;
  readonly ttlMs: number;
  readonly which: number;
  readonly ms: number;
}

const action: fc.Arbitrary<Action> = fc.record({
  kind: fc.constantFrom('put', 'put', 'delete', 'hear', 'hear', 'hear', 'hear', 'restart', 'pass'),
  node: fc.nat(NODES - 1),
  key: fc.constantFrom(...KEYS),
  fill: fc.constantFrom(1, 2, 200),
  ttlMs: fc.constantFrom(0, 0, 3, 20, 30_000),
  which: fc.nat(200),
  // No time passes between most actions, so that ties happen.
  ms: fc.constantFrom(0, 0, 1, 20, 5_000),
});

/** How many milliseconds the clock of each node is ahead. Any two clocks differ by at most the allowed skew. */
const skews = fc.array(fc.constantFrom(0, 0, 1, 2, 21, LIMITS.maxClockSkewMs), { minLength: NODES, maxLength: NODES });

/** Runs a history on all nodes. @returns the stores at the end of the history, and every record that a local write has made */
function live(actions: readonly Action[], aheadMs: readonly number[]): { readonly stores: RecordStore[]; readonly written: WireRecord[] } {
  const open = (node: number, life: number): RecordStore => openStore(`0x${node}.${life}`, LONG).store;
  const stores = Array.from({ length: NODES }, (_, node) => open(node, 0));
  const written: WireRecord[] = [];
  /** Every record that any store has ever held: these are the records that pushes, snapshots and anti-entropy may send. */
  const travelling: WireRecord[] = [];
  let timeMs = START_MS;
  for (const [life, { kind, node, key, fill, ttlMs, which, ms }] of actions.entries()) {
    const store = stores[node]!;
    const nowMs = timeMs + aheadMs[node]!;
    if (kind === 'put') store.put(APP, key, new Uint8Array(28).fill(fill), ttlMs, nowMs);
    const wrote = kind === 'put' || (kind === 'delete' && store.delete(APP, key, nowMs) !== null);
    if (wrote) written.push(store.recordOf(APP, key)!);
    const heard = kind === 'hear' ? travelling.at(-1 - which) : undefined;
    if (heard !== undefined) store.merge(APP, heard, nowMs);
    if (kind === 'restart') stores[node] = open(node, life + 1);
    if (kind === 'pass') timeMs += ms;
    const held = stores[node]!.recordOf(APP, heard?.key ?? key);
    if (held !== null) travelling.push(held);
  }
  return { stores, written };
}

/** The contents of a store, without clock entries of 0, as in digests. */
function contents(store: RecordStore): object {
  const records = [...store.walk({})].map(({ record }) => record).sort((a, b) => (a.key < b.key ? -1 : 1));
  return { records, apps: store.appIds().map((appId) => [appId, store.appDigest(appId)]), root: store.rootDigest(), bytes: store.heldBytes, totals: store.totals(LATE_MS) };
}

/** The same items in an order that a list of numbers determines. */
function shuffled<Thing>(things: readonly Thing[], picks: readonly number[]): Thing[] {
  const left = [...things];
  return things.map((_, at) => left.splice(picks[at % picks.length]! % left.length, 1)[0]!);
}

const picks = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 40 });

describe('after any history of local writes by five nodes,', () => {
  test('every store has the same records, clocks and digests in the end, for any order of arrival', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 60 }), skews, fc.array(picks, { minLength: NODES + 2, maxLength: NODES + 2 }), (actions, aheadMs, orders) => {
        const { stores, written } = live(actions, aheadMs);
        const all = [...stores, openStore('fresh', LONG).store, openStore('other', LONG).store];
        for (const [at, store] of all.entries()) {
          for (const record of shuffled(written, orders[at]!)) expect(store.merge(APP, record, LATE_MS).kind).not.toBe('rejected');
        }
        for (const store of all) expect(contents(store)).toEqual(contents(all[0]!));
      }),
      { numRuns: 400 },
    );
  });

  test('merging a record a second time changes nothing, whether directly after the first time or after all other records', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 40 }), skews, picks, (actions, aheadMs, order) => {
        const { stores, written } = live(actions, aheadMs);
        const { store } = openStore('fresh', LONG);
        for (const record of shuffled(written, order)) {
          store.merge(APP, record, LATE_MS);
          const once = contents(store);
          expect(store.merge(APP, record, LATE_MS).kind).toBe('skipped');
          expect(contents(store)).toEqual(once);
        }
        const once = contents(store);
        for (const record of [...written, ...stores.flatMap((held) => [...held.walk({})].map((step) => step.record))]) {
          expect(store.merge(APP, record, LATE_MS).kind).toBe('skipped');
        }
        expect(contents(store)).toEqual(once);
      }),
      { numRuns: 200 },
    );
  });

  test('two stores are equal after each has merged the records of the other', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 40 }), skews, (actions, aheadMs) => {
        const { stores } = live(actions, aheadMs);
        const [first, second] = [stores[0]!, stores[1]!];
        for (const { appId, record } of first.walk({})) second.merge(appId, record, LATE_MS);
        for (const { appId, record } of second.walk({})) first.merge(appId, record, LATE_MS);
        expect(contents(first)).toEqual(contents(second));
      }),
      { numRuns: 200 },
    );
  });
});

describe('clocks that are cut to their maximum length', () => {
  /** Clock keys of current nodes and of older nodes: more keys than a clock in a store can have. */
  const POOL = Array.from({ length: 150 }, (_, index) => (index % 5 === 0 ? `older ${index}` : `0x${index}/1`));
  const longClock = fc.dictionary(fc.constantFrom(...POOL), fc.integer({ min: 1, max: 5 }), { minKeys: 1, maxKeys: 150, size: 'max' });
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('write' as const), node: fc.nat(2), fill: fc.integer({ min: 1, max: 9 }), deletes: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('hear' as const), node: fc.nat(2), fill: fc.integer({ min: 1, max: 9 }), version: longClock, atMs: fc.constantFrom(0, 0, 1, 500) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('give' as const), node: fc.nat(2), to: fc.nat(2) }) },
  );

  function give(from: RecordStore, to: RecordStore): void {
    for (const { appId, record } of from.walk({})) to.merge(appId, record, LATE_MS);
  }

  test('do not stop stores from becoming equal within a few rounds, regardless of what the nodes wrote and merged', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 3, maxLength: 30 }), (steps) => {
        const stores = ['0xa', '0xb', '0xc'].map((name) => openStore(name, LONG).store);
        for (const [at, action] of steps.entries()) {
          const store = stores[action.node]!;
          const nowMs = START_MS + at;
          if (action.kind === 'give') give(store, stores[action.to]!);
          else if (action.kind === 'hear') {
            const { fill, version, atMs } = action;
            store.merge(APP, { key: 'a', value: Buffer.alloc(28, fill).toString('hex'), version, updated_at_ms: nowMs + atMs, tombstone: false, ttl_ms: 0 }, nowMs);
          } else if (!action.deletes || store.delete(APP, 'a', nowMs) === null) store.put(APP, 'a', new Uint8Array(28).fill(action.fill), 0, nowMs);
        }
        for (let round = 0; round < 2; round += 1) for (const from of stores) for (const to of stores) give(from, to);
        for (const store of stores) {
          expect(contents(store)).toEqual(contents(stores[0]!));
          for (const { record } of store.walk({})) expect(Object.keys(record.version).length).toBeLessThanOrEqual(64);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('never cause the loss of a write that its node has accepted and other nodes have merged', () => {
    fc.assert(
      fc.property(fc.array(longClock, { minLength: 1, maxLength: 6 }), (versions) => {
        const [here, there] = [openStore('0xa', LONG).store, openStore('0xb', LONG).store];
        // Each record has a clock entry that no earlier record has, so a record with a later time never has an earlier clock.
        const heard = versions.map((version, at) => ({ key: 'a', value: '05'.repeat(28), version: { ...version, [`0xwriter${at}/1`]: 1 }, updated_at_ms: START_MS + at, tombstone: false, ttl_ms: 0 }));
        for (const record of heard) here.merge(APP, record, START_MS);
        here.put(APP, 'a', new Uint8Array(28).fill(1), 0, START_MS);
        give(here, there);
        for (const record of heard) for (const store of [here, there]) store.merge(APP, record, LATE_MS);
        expect([here.get(APP, 'a', LATE_MS)?.value[0], there.get(APP, 'a', LATE_MS)?.value[0]]).toEqual([1, 1]);
      }),
    );
  });
});

function orders<Thing>(things: readonly Thing[]): Thing[][] {
  if (things.length < 2) return [[...things]];
  return things.flatMap((first, at) => orders(things.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}

describe('two concurrent writes to a key', () => {
  const side = fc.record({ fill: fc.constantFrom(1, 2), ttlMs: fc.constantFrom(0, 5), deletes: fc.boolean(), writes: fc.integer({ min: 1, max: 3 }) });

  test('both lose, on every node, to a later write by a node that has seen them, even if the clock of that node is far behind', () => {
    fc.assert(
      fc.property(side, side, skews, fc.boolean(), fc.boolean(), fc.constantFrom(0, 1, 40_000), (left, right, aheadMs, turned, deletes, laterMs) => {
        const versions = [left, right].map(({ fill, ttlMs, deletes: isDeleted, writes }, node) => {
          const { store } = openStore(`0x${node}`, LONG);
          const nowMs = START_MS + aheadMs[node]!;
          for (let count = 0; count < writes; count += 1) store.put(APP, 'k', new Uint8Array(28).fill(fill), ttlMs, nowMs);
          if (isDeleted) store.delete(APP, 'k', nowMs);
          return store.recordOf(APP, 'k')!;
        });
        const { store: reader } = openStore('0xreader', LONG);
        const nowMs = START_MS + laterMs;
        for (const version of turned ? [...versions].reverse() : versions) reader.merge(APP, version, START_MS + LIMITS.maxClockSkewMs);
        const held = reader.recordOf(APP, 'k')!;
        if (!deletes || reader.delete(APP, 'k', nowMs) === null) reader.put(APP, 'k', new Uint8Array(28).fill(3), 0, nowMs);
        const last = reader.recordOf(APP, 'k')!;
        expect(last.updated_at_ms).toBeGreaterThan(held.updated_at_ms);
        for (const order of orders([...versions, last])) {
          const { store } = openStore('fresh', LONG);
          for (const record of order) store.merge(APP, record, LATE_MS);
          expect(store.recordOf(APP, 'k')).toEqual(last);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("sequence numbers of a node's own writes", () => {
  test('rise with every write, regardless of its key, even when the clock stops or is set back', () => {
    const { store } = openStore('a');
    const numbers = [0, 0, 5, -60_000, -60_000, 6].map((ms, at) => store.put(APP, `k${at % 2}`, new Uint8Array(28), 0, START_MS + ms).sequenceNumber);
    expect(numbers).toEqual([START_MS, START_MS + 1, START_MS + 5, START_MS + 6, START_MS + 7, START_MS + 8]);
  });

  test('are not repeated by an emptied store, which has a new clock key and none of its earlier writes', () => {
    const { store, ownKey } = openStore('a');
    const first = { storeId: store.storeId, key: ownKey(), sequenceNumber: store.put(APP, 'k', new Uint8Array(28), 0, START_MS).sequenceNumber };
    const held = store.recordOf(APP, 'k')!;
    store.reset();
    expect([store.storeId === first.storeId, ownKey() === first.key]).toEqual([false, false]);
    expect([[...store.writesAfter(0)], store.heldBytes, store.appIds(), store.totals(START_MS).totalKeys]).toEqual([[], 0, [], 0]);
    // The earlier write comes back from a peer, like a record of another node.
    expect(store.merge(APP, held, START_MS)).toEqual({ kind: 'merged' });
    const again = store.put(APP, 'k', new Uint8Array(28).fill(2), 0, START_MS);
    expect(again.sequenceNumber).toBeGreaterThan(first.sequenceNumber);
    expect(store.recordOf(APP, 'k')!.version).toEqual({ [first.key]: first.sequenceNumber, [ownKey()]: again.sequenceNumber });
  });

  test('continue after a member has forged some of them; a write that replaces a forged record gets a new clock key and wins on every node', () => {
    const { store, ownKey } = openStore('a');
    const { store: third } = openStore('third');
    const first = store.put(APP, 'k', new Uint8Array(28), 0, START_MS);
    const forged = (count: number): object => ({ key: 'k', value: '07'.repeat(28), version: { [ownKey()]: count }, updated_at_ms: START_MS + 1, tombstone: false, ttl_ms: 0 });
    // Every node merges a forged record like any other record. The third node has a forged record with a higher count.
    expect(store.merge(APP, forged(START_MS + 500_000), START_MS)).toEqual({ kind: 'merged' });
    expect(third.merge(APP, forged(START_MS + 900_000), START_MS)).toEqual({ kind: 'merged' });
    const again = [2, 3].map((fill) => store.put(APP, 'k', new Uint8Array(28).fill(fill), 0, START_MS + fill));
    const { version } = store.recordOf(APP, 'k')!;
    const fresh = Object.keys(version).filter((key) => key !== ownKey());
    expect(again.map(({ sequenceNumber }) => sequenceNumber)).toEqual([START_MS + 2, START_MS + 3]);
    expect([first.sequenceNumber, version]).toEqual([START_MS, { [ownKey()]: START_MS + 500_000, [fresh[0]!]: START_MS + 3 }]);
    expect(fresh[0]).toMatch(/^a\/[0-9a-f]{16}$/);
    third.merge(APP, store.recordOf(APP, 'k'), START_MS + 10);
    expect(third.get(APP, 'k', START_MS + 10)?.value[0]).toBe(3);
    // Writes to other keys still use the old clock key.
    store.put(APP, 'other', new Uint8Array(28), 0, START_MS + 4);
    expect(store.recordOf(APP, 'other')!.version).toEqual({ [ownKey()]: START_MS + 4 });
  });

  test('get a second new clock key when a member has forged counts for the first new clock key', () => {
    const { store, ownKey } = openStore('a');
    const forge = (key: string, clockKey: string): unknown =>
      store.merge(APP, { key, value: null, version: { [clockKey]: START_MS + 500_000 }, updated_at_ms: START_MS, tombstone: true, ttl_ms: 0 }, START_MS);
    const writtenUnder = (key: string): string => {
      const { sequenceNumber } = store.put(APP, key, new Uint8Array(28), 0, START_MS);
      return Object.entries(store.recordOf(APP, key)!.version).find(([, count]) => count === sequenceNumber)![0];
    };
    forge('k', ownKey());
    const fresh = writtenUnder('k');
    forge('k', fresh);
    const again = writtenUnder('k');
    expect(new Set([ownKey(), fresh, again]).size).toBe(3);
    expect(writtenUnder('k')).toBe(again);
  });

  test.each([
    ['in merged clocks are accepted up to the maximum (the current time plus the allowed clock skew plus 2^20)', 0, 'merged'],
    ['in merged clocks are rejected above the maximum', 1, 'rejected'],
  ])('%s, like the counts of other nodes', (_, above, kind) => {
    const { store, ownKey } = openStore('a');
    const count = START_MS + LIMITS.maxClockSkewMs + 2 ** 20 + above;
    for (const clockKey of [ownKey(), '0xpeer/1', 'older']) {
      const verdict = store.merge(APP, { key: clockKey, value: null, version: { [clockKey]: count }, updated_at_ms: START_MS, tombstone: true, ttl_ms: 0 }, START_MS);
      expect(verdict).toEqual(kind === 'merged' ? { kind } : { kind, why: 'too_far_ahead' });
    }
  });
});

test('a write to a key whose record has expired wins over the copies of that record on other nodes (§9.19)', () => {
  const [here, there] = [openStore('a').store, openStore('b').store];
  here.put(APP, 'k', new Uint8Array(28), 10, START_MS);
  there.merge(APP, here.recordOf(APP, 'k'), START_MS);
  const lateMs = START_MS + 1_000;
  expect([here.get(APP, 'k', lateMs), here.list(APP, {}, lateMs).keys, here.totals(lateMs).totalKeys]).toEqual([null, [], 0]);
  here.put(APP, 'k', new Uint8Array(28).fill(2), 0, lateMs);
  expect(there.merge(APP, here.recordOf(APP, 'k'), lateMs)).toEqual({ kind: 'merged' });
  expect(there.get(APP, 'k', lateMs)?.value[0]).toBe(2);
});

describe('the record and the clock', () => {
  test.each<[string, number, (store: RecordStore) => void]>([
    ['of a tombstone', START_MS + 5 + LONG.tombstoneRetentionMs, (store) => void store.delete(APP, 'k', START_MS + 5)],
    ['of an expired value', START_MS + 40 + LONG.tombstoneRetentionMs, (store) => void store.put(APP, 'k', new Uint8Array(28), 40, START_MS + 1)],
  ])('%s are kept and sent unchanged during the retention, and are removed directly afterwards', (_, lastMs, end) => {
    const { store } = openStore('a', LONG);
    store.put(APP, 'k', new Uint8Array(28), 0, START_MS - 1);
    end(store);
    const held = store.recordOf(APP, 'k')!;
    const goneMs = held.updated_at_ms + held.ttl_ms + LONG.tombstoneRetentionMs + 1;
    expect(goneMs - lastMs).toBeLessThanOrEqual(2);
    store.letAge(goneMs - 1);
    expect(store.recordOf(APP, 'k')).toEqual(held);
    expect([...store.walk({})]).toHaveLength(1);
    expect([...store.writesAfter(0)]).toHaveLength(1);
    store.letAge(goneMs);
    expect([store.recordOf(APP, 'k'), [...store.walk({})], [...store.writesAfter(0)], store.heldBytes, store.appIds()]).toEqual([null, [], [], 0, []]);
  });

  test('of a tombstone are kept while the node is stale, and are dropped as soon as the node has caught up', () => {
    const { store, outside } = openStore('a', { tombstoneRetentionMs: 100 });
    store.put(APP, 'k', new Uint8Array(28), 0, START_MS);
    store.delete(APP, 'k', START_MS);
    outside.keepsEverything = true;
    store.letAge(START_MS + 10_000);
    expect(store.recordOf(APP, 'k')?.tombstone).toBe(true);
    outside.keepsEverything = false;
    store.forgetOverdue();
    expect([store.recordOf(APP, 'k'), store.heldBytes]).toEqual([null, 0]);
  });
});
