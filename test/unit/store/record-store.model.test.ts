/**
 * The store is compared with a naive store (protocol.md §4, §10 Quota). After any writes, deletes, listings and merges, both return
 * the same answers and have the same records, down to the last byte and digest. The limits are tight, and the clock may go back.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RefusalError } from '../../../src/domain/errors.ts';
import { quoteObject } from '../../../src/domain/quoted-json.ts';
import type { ListRequest, WireRecord } from '../../../src/domain/records.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { appDigest, rootDigest } from '../../../src/store/digest.ts';
import { NaiveStore, type Written } from './naive-store.ts';
import { LIMITS, openStore, START_MS, UNREADABLE, type Outside } from './open-store.ts';

const APPS = ['7', '10', '11'];
const SMALL = { ...LIMITS, maxAppBytes: 260, maxStoreBytes: 9_000, maxApps: 2, maxClockSkewMs: 200, tombstoneRetentionMs: 500, maxTombstonesPerApp: 3 };

/** The naive store, and the facts on which both stores depend. */
interface Story {
  readonly naive: NaiveStore;
  readonly outside: Outside;
  readonly ownKey: string;
  /** Earlier records of the store, which peers send again. */
  readonly seen: { readonly appId: string; readonly record: WireRecord }[];
  /**
   * The clock key that the store uses in place of `ownKey` after a peer has forged a count for `ownKey`. Until a write shows this key, a
   * placeholder of the same length stands in.
   */
  spareKey: string;
  nowMs: number;
}

type Step = fc.Command<Story, RecordStore>;

function attempt(write: () => { readonly sequenceNumber: number; readonly updatedAtMs: number } | null): Written {
  try {
    const written = write();
    return written === null ? 'absent' : { sequenceNumber: written.sequenceNumber, updatedAtMs: written.updatedAtMs };
  } catch (error) {
    expect(error).toBeInstanceOf(RefusalError);
    expect((error as RefusalError).code).toBe('insufficient_storage');
    return 'full';
  }
}

function expectAlike(story: Story, store: RecordStore): void {
  const { naive, nowMs } = story;
  const present = APPS.map((appId) => naive.present(appId, nowMs).length);
  expect(store.totals(nowMs)).toEqual({
    namespaces: present.filter((keys) => keys > 0).length,
    totalKeys: present.reduce((sum, keys) => sum + keys, 0),
    totalBytes: APPS.reduce((sum, appId) => sum + naive.bytesInApp(appId, nowMs), 0),
  });
  expect(store.heldBytes).toBe(naive.heldBytes());
  expect(store.lastSequenceNumber).toBe(naive.lastSequenceNumber);
  const nameOf = ({ appId, record }: { readonly appId: string; readonly record: WireRecord }): string => `${appId} ${record.key}`;
  const byName = <Named extends { readonly appId: string; readonly record: WireRecord }>(all: readonly Named[]): Named[] =>
    [...all].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const ownSequenceNumbers = new Map([...store.writesAfter(0)].map((own) => [nameOf(own), own.sequenceNumber]));
  const walked = [...store.walk({})].map((step) => ({ appId: step.appId, record: step.record, ownSequenceNumber: ownSequenceNumbers.get(nameOf(step)) ?? 0 }));
  expect(byName(walked)).toEqual(byName(naive.entries).map(({ appId, record, ownSequenceNumber }) => ({ appId, record, ownSequenceNumber })));
  const held = APPS.filter((appId) => naive.entries.some((entry) => entry.appId === appId));
  expect(store.appIds()).toEqual(held);
  const digests = new Map(held.map((appId) => [appId, naive.bucketDigests(appId)]));
  for (const [appId, buckets] of digests) expect(store.bucketDigests(appId).join()).toBe(buckets.join());
  expect(store.rootDigest()).toBe(rootDigest([...digests].map(([appId, buckets]) => [appId, appDigest(Buffer.from(buckets.join(''), 'hex'))])));
  const own = naive.writesAfter(0);
  const entries = [...store.writesAfter(0)];
  expect(entries.map((entry) => `${entry.sequenceNumber} ${nameOf(entry)}`)).toEqual(own.map((entry) => `${entry.ownSequenceNumber} ${nameOf(entry)}`));
  expect(store.writes.totals()).toEqual({ records: entries.length, bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0) });
  const above = own[own.length >> 1]?.ownSequenceNumber ?? 0;
  expect([...store.writesAfter(above)].map(({ sequenceNumber }) => sequenceNumber)).toEqual(naive.writesAfter(above).map(({ ownSequenceNumber }) => ownSequenceNumber));
}

/** A step that runs on both stores. Afterwards, both stores must be equal. */
function step(text: string, run: (story: Story, store: RecordStore) => void): Step {
  return {
    check: () => true,
    run: (story, store) => {
      run(story, store);
      expectAlike(story, store);
      for (const { appId, record } of story.naive.entries) story.seen.push({ appId, record });
      story.seen.splice(0, story.seen.length - 60);
    },
    toString: () => text,
  };
}

/**
 * The clock key of a write: the usual key of this node, or a new key if a peer has forged a higher count for the usual key. A refused
 * write has a clock key too, because the length of the key decides whether the write fits.
 */
function writtenUnder(story: Story, store: RecordStore, appId: string, key: string, written: Written): string {
  const { naive, ownKey } = story;
  if (typeof written === 'string') return naive.isForged(appId, key) ? story.spareKey : ownKey;
  const before = naive.find(appId, key)?.record.version ?? {};
  const clock = store.recordOf(appId, key)!.version;
  const clockKey = Object.keys(clock).find((name) => clock[name] === written.sequenceNumber && before[name] !== clock[name])!;
  expect(clockKey === ownKey).toBe(!naive.isForged(appId, key));
  expect(clockKey).toMatch(/^model\/[0-9a-f]{16}$/);
  expect(naive.isForged(appId, key, clockKey)).toBe(false);
  if (clockKey !== ownKey) story.spareKey = clockKey;
  return clockKey;
}

const app = fc.constantFrom(...APPS);
const key = fc.constantFrom('a', 'a/b', 'b', '😀', '__proto__', 'c');
const value = fc.tuple(fc.integer({ min: 28, max: 110 }), fc.constantFrom('01', '7f', '80')).map(([length, byte]) => byte.repeat(length));
const ttl = fc.constantFrom(0, 0, 1, 80, 300);
const optional = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });

const put = fc.tuple(app, key, value, ttl).map(([appId, name, hex, ttlMs]) =>
  step(`put ${appId} ${name} ${hex.length / 2} bytes ttl ${ttlMs}`, (story, store) => {
    const { naive, nowMs } = story;
    naive.age(nowMs);
    const written = attempt(() => store.put(appId, name, Buffer.from(hex, 'hex'), ttlMs, nowMs));
    const clockKey = writtenUnder(story, store, appId, name, written);
    expect(written).toEqual(naive.put(appId, name, hex, ttlMs, nowMs, clockKey));
  }),
);

const remove = fc.tuple(app, key).map(([appId, name]) =>
  step(`delete ${appId} ${name}`, (story, store) => {
    const { naive, nowMs } = story;
    naive.age(nowMs);
    const written = attempt(() => store.delete(appId, name, nowMs));
    const clockKey = writtenUnder(story, store, appId, name, written);
    expect(written).toEqual(naive.delete(appId, name, nowMs, clockKey));
  }),
);

const get = fc.tuple(app, key).map(([appId, name]) =>
  step(`get ${appId} ${name}`, ({ naive, nowMs }, store) => {
    const held = store.get(appId, name, nowMs);
    const read = held === null ? null : { value: Buffer.from(held.value).toString('hex'), updatedAtMs: held.updatedAtMs };
    expect(read).toEqual(naive.get(appId, name, nowMs));
  }),
);

const list = fc.tuple(app, fc.record({ prefix: optional(key), after: optional(key), limit: optional(fc.integer({ min: 1, max: 4 })) })).map(([appId, request]: [string, ListRequest]) =>
  step(`list ${appId} ${JSON.stringify(request)}`, ({ naive, nowMs }, store) => {
    const page = naive.list(appId, request, nowMs);
    expect(store.list(appId, request, nowMs)).toEqual(page);
    const { keys, count, more } = store.listQuoted(appId, request, nowMs);
    expect([JSON.parse(String(quoteObject({ keys }))), count, more]).toEqual([{ keys: page.keys }, page.keys.length, page.more]);
  }),
);

const foreign = fc.record({
  appId: app,
  key,
  value: fc.option(fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: fc.constant(UNREADABLE.toString(16).repeat(28)) }), { freq: 3 }),
  counts: fc.oneof(
    { weight: 9, arbitrary: fc.dictionary(fc.constantFrom('p', 'q', '0xRR'), fc.nat(4)) },
    { weight: 1, arbitrary: fc.dictionary(fc.integer({ min: 10, max: 99 }).map((index) => `${index % 3 === 0 ? 'n' : '0x/'}${index}`), fc.integer({ min: 1, max: 6 }), { minKeys: 40, maxKeys: 50 }) },
    { weight: 1, arbitrary: fc.constantFrom({ ahead: START_MS + 1_048_576 + 200 }, { ahead: START_MS + 20_000_000 }) },
  ),
  /** The count that the clock has for this node. `forged` is above all sequence numbers of this node. */
  own: fc.constantFrom('nothing', 'nothing', 'held', 'last', 'forged'),
  aheadMs: fc.constantFrom(-400, -60, 0, 0, 5, 200, 201),
  ttlMs: ttl,
});

const merge = foreign.map(({ appId, key: name, value: hex, counts, own, aheadMs, ttlMs }) =>
  step(`merge ${appId} ${name} ${hex === null ? 'tombstone' : `${hex.slice(0, 2)} ${hex.length / 2} bytes`} ${JSON.stringify(counts)} ${own} ${aheadMs} ttl ${ttlMs}`, (story, store) => {
    const { naive, nowMs, ownKey } = story;
    const seen = naive.find(appId, name)?.record.version[ownKey] ?? 0;
    const count = { nothing: 0, held: seen, last: naive.lastSequenceNumber, forged: Math.max(naive.lastSequenceNumber, nowMs) + 3 }[own];
    const version = count === 0 ? counts : { ...counts, [ownKey]: count };
    const record = { key: name, value: hex, version, updated_at_ms: nowMs + aheadMs, tombstone: hex === null, ttl_ms: ttlMs };
    // The naive store does not know whether this node once wrote and dropped this tombstone.
    if (hex === null && count > 0 && naive.find(appId, name) === undefined) return;
    expect(store.merge(appId, record, nowMs)).toEqual(naive.merge(appId, record, nowMs));
  }),
);

const mergeAgain = fc.nat(60).map((which) =>
  step(`merge an earlier record again: ${which} before the last`, ({ naive, nowMs, seen, ownKey }, store) => {
    const again = seen.at(-1 - which);
    if (again === undefined) return;
    const { appId, record } = again;
    if (record.tombstone && record.version[ownKey] !== undefined && naive.find(appId, record.key) === undefined) return;
    expect(store.merge(appId, record, nowMs)).toEqual(naive.merge(appId, record, nowMs));
  }),
);

const wait = fc.constantFrom(0, 1, 1, 30, 80, 81, 300, 301, 500, 501, 900, -1, -40).map((ms) =>
  step(`wait ${ms}`, (story) => {
    story.nowMs += ms;
  }),
);

const letAge = fc.constant(
  step('let records age', ({ naive, nowMs }, store) => {
    naive.age(nowMs);
    store.letAge(nowMs);
  }),
);

const acknowledge = fc.integer({ min: 0, max: 3 }).map((behind) =>
  step(`all peers have acknowledged all writes except the last ${behind}`, ({ naive, outside }) => {
    const own = naive.writesAfter(0);
    outside.acknowledged = Math.max(outside.acknowledged, own.at(-1 - behind)?.ownSequenceNumber ?? 0);
  }),
);

const doubt = fc.nat(3).map((which) =>
  step(`a peer may not have this node's write: ${which} before the last`, ({ naive, outside }) => {
    const own = naive.writesAfter(0).at(-1 - which);
    if (own !== undefined) outside.inDoubt.add(own.ownSequenceNumber);
  }),
);

const cut = fc.constant(
  step('the node becomes stale, or catches up', ({ naive, outside }, store) => {
    outside.keepsEverything = !outside.keepsEverything;
    if (outside.keepsEverything) return;
    naive.forgetOverdue();
    store.forgetOverdue();
  }),
);

const forget = fc.tuple(app, key).map(([appId, name]) =>
  step(`forget ${appId} ${name}`, ({ naive }, store) => {
    store.forget(appId, name);
    naive.entries = naive.entries.filter((entry) => entry.appId !== appId || entry.record.key !== name);
  }),
);

const steps = [put, put, remove, remove, get, list, merge, merge, mergeAgain, wait, wait, letAge, acknowledge, doubt, cut, forget];

test('the real store behaves exactly like the naive store', () => {
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 80, size: 'max' }), (commands) => {
      fc.modelRun(() => {
        const { store, outside, ownKey } = openStore('model', SMALL);
        const naive = new NaiveStore(SMALL, outside, ownKey());
        return { model: { naive, outside, ownKey: ownKey(), seen: [], spareKey: `model/${'f'.repeat(16)}`, nowMs: START_MS }, real: store };
      }, commands);
    }),
    { numRuns: 100 },
  );
});
