/** Walks through the store (protocol.md §10, Pages): a walk neither repeats nor misses a record while the store changes. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RefusalError } from '../../../src/domain/errors.ts';
import type { WalkRequest } from '../../../src/domain/records.ts';
import { bucketOf } from '../../../src/store/digest.ts';
import type { RecordStore } from '../../../src/store/record-store.ts';
import { bytesOf, openStore, START_MS } from './open-store.ts';

const APPS = ['9', '10', '200'];

function filled(keysPerApp: number) {
  const opened = openStore('a');
  for (const appId of APPS) for (let index = 0; index < keysPerApp; index += 1) opened.store.put(appId, `k${index}`, bytesOf(28), 0, START_MS);
  return opened;
}

function names(store: RecordStore, request: WalkRequest = {}): string[] {
  return [...store.walk(request)].map(({ appId, record }) => `${appId} ${record.key}`);
}

function codeOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(RefusalError);
    return (error as RefusalError).code;
  }
}

describe('a walk', () => {
  test('returns every record once, app by app in the order of the app ids', () => {
    const { store } = filled(300);
    const walked = names(store);
    expect([walked.length, new Set(walked).size]).toEqual([900, 900]);
    expect([...new Set(walked.map((name) => name.split(' ')[0]))]).toEqual(APPS);
  });

  test('also returns tombstones and expired records', () => {
    const { store } = openStore('a');
    store.put('7', 'deleted', bytesOf(28), 0, START_MS);
    store.delete('7', 'deleted', START_MS);
    store.put('7', 'expired', bytesOf(28), 1, START_MS);
    store.letAge(START_MS + 100);
    expect(names(store).sort()).toEqual(['7 deleted', '7 expired']);
  });

  test('can continue after any step with the cursor of that step', () => {
    const { store } = filled(40);
    const steps = [...store.walk({})];
    const all = names(store);
    for (const [at, { cursor }] of steps.entries()) expect(names(store, { cursor })).toEqual(all.slice(at + 1));
  });

  test('can be limited to one app, or to some buckets of one app', () => {
    const { store } = filled(300);
    expect(names(store, { app: '10' }).sort()).toEqual(Array.from({ length: 300 }, (_, index) => `10 k${index}`).sort());
    expect(names(store, { app: '11' })).toEqual([]);
    const buckets = [bucketOf('k0'), bucketOf('k1'), 255];
    const wanted = Array.from({ length: 300 }, (_, index) => `k${index}`).filter((key) => buckets.includes(bucketOf(key)));
    expect(names(store, { app: '10', buckets }).sort()).toEqual(wanted.map((key) => `10 ${key}`).sort());
    const [first] = [...store.walk({ app: '10', buckets })];
    expect(names(store, { app: '10', buckets, cursor: first!.cursor })).toEqual(names(store, { app: '10', buckets }).slice(1));
  });

  test.each(['', 'nonsense', '0123456789abcdef.7.0.1', '../..', '9'.repeat(10_000)])('does not start from a cursor that this store did not return: %.30s', (cursor) => {
    const { store } = filled(1);
    expect(codeOf(() => names(store, { cursor }))).toBe('bad_request');
  });

  test('does not continue from a cursor of another store, or of a store that has been emptied since', () => {
    const { store } = filled(3);
    const { cursor } = [...store.walk({})][0]!;
    expect(codeOf(() => names(openStore('b').store, { cursor }))).toBe('bad_request');
    store.reset();
    expect(codeOf(() => names(store, { cursor }))).toBe('bad_request');
  });

  test('skips records that are removed before it reaches them, even if the record that it has just returned is removed too', () => {
    const { store } = openStore('a');
    const keys = Array.from({ length: 4_000 }, (_, index) => `k${index}`).filter((key) => bucketOf(key) === 0).slice(0, 5);
    for (const key of keys) store.put('7', key, bytesOf(28), 0, START_MS);
    const given: string[] = [];
    for (const { record } of store.walk({})) {
      given.push(record.key);
      if (record.key === keys[1]) for (const key of keys.slice(1, 4)) store.forget('7', key);
    }
    expect(given).toEqual([keys[0], keys[1], keys[4]]);
  });

  test('fails when the store is emptied during the walk', () => {
    const { store } = filled(3);
    const walk = store.walk({});
    walk.next();
    store.reset();
    expect(codeOf(() => walk.next())).toBe('service_unavailable');
  });
});

test('a walk repeats no record and misses no record that existed the whole time, regardless of changes between its steps and pages', () => {
  // The keys belong to only three buckets, so that neighbours in the same bucket are added and removed.
  const keys = Array.from({ length: 4_000 }, (_, index) => `k${index}`).filter((key) => bucketOf(key) < 3).slice(0, 24);
  const name = fc.tuple(fc.constantFrom(...APPS), fc.constantFrom(...keys));
  const change = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('put' as const, 'delete' as const, 'forget' as const, 'forget' as const), name }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('step' as const, 'step' as const, 'resume' as const), name }) },
  );
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 50, selector: String }), fc.array(change, { maxLength: 120 }), (start, changes) => {
      const { store } = openStore('a');
      /** A number for the current life of each key. A key that is dropped and added again begins a new life, with a new number. */
      const lives = new Map<string, number>();
      let life = 0;
      const put = ([appId, key]: readonly [string, string]): void => {
        store.put(appId, key, bytesOf(28), 0, START_MS);
        if (!lives.has(`${appId} ${key}`)) lives.set(`${appId} ${key}`, (life += 1));
      };
      for (const entry of start) put(entry);
      const initial = new Map(lives);
      const seen: string[] = [];
      let cursor: string | undefined;
      let walk = store.walk({});
      const stepOn = (): boolean => {
        const next = walk.next();
        if (next.done === true) return false;
        const { appId, record } = next.value;
        ({ cursor } = next.value);
        expect(record).toEqual(store.recordOf(appId, record.key));
        seen.push(`${appId} ${record.key} ${lives.get(`${appId} ${record.key}`)}`);
        return true;
      };
      for (const { kind, name: [appId, key] } of changes) {
        if (kind === 'put') put([appId, key]);
        if (kind === 'delete') store.delete(appId, key, START_MS);
        if (kind === 'forget') {
          store.forget(appId, key);
          lives.delete(`${appId} ${key}`);
        }
        if (kind === 'resume') walk = store.walk({ cursor });
        if (kind === 'step') stepOn();
      }
      while (stepOn());
      expect(new Set(seen).size).toBe(seen.length);
      const stayed = [...initial].filter(([held, itsLife]) => lives.get(held) === itsLife).map(([held, itsLife]) => `${held} ${itsLife}`);
      expect(stayed.filter((held) => !seen.includes(held))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
