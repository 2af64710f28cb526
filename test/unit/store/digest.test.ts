/** Digests for comparing stores (protocol.md §10, Comparison). The tests compute the expected digests themselves. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { bucketOf, EMPTY_BUCKET, rootDigest } from '../../../src/store/digest.ts';
import { bytesOf, openStore, START_MS } from './open-store.ts';

const sha256 = (bytes: string | Buffer): Buffer => createHash('sha256').update(bytes).digest();

describe('a digest', () => {
  test.each(['a', 'b', '😀', '__proto__'])('of a record with the key %j belongs to the bucket whose number is the first byte of SHA-256 over the key', (key) => {
    expect(bucketOf(key)).toBe(sha256(Buffer.from(key, 'utf8'))[0]);
  });

  test('of a bucket with one record is the first 8 bytes of SHA-256 over the canonical JSON of the record', () => {
    const { store, ownKey } = openStore('a');
    const { sequenceNumber } = store.put('7', 'k', bytesOf(28), 5, START_MS);
    const json = `{"key":"k","tombstone":false,"ttl_ms":5,"updated_at_ms":${START_MS},"value":"${'01'.repeat(28)}","version":{"${ownKey()}":${sequenceNumber}}}`;
    const digest = sha256(json).toString('hex').slice(0, 16);
    expect(store.digestOf('7', 'k')).toBe(digest);
    expect(store.bucketDigests('7')).toEqual(Array.from({ length: 256 }, (_, index) => (index === bucketOf('k') ? digest : EMPTY_BUCKET)));
  });

  test('does not include clock entries of 0', () => {
    const digestWith = (version: Readonly<Record<string, number>>): string | null => {
      const { store } = openStore('a');
      store.merge('7', { key: 'k', value: null, version, updated_at_ms: START_MS, tombstone: true, ttl_ms: 0 }, START_MS);
      return store.digestOf('7', 'k');
    };
    expect(digestWith({ x: 1, y: 0 })).toBe(digestWith({ x: 1 }));
    expect(digestWith({ x: 1, y: 1 })).not.toBe(digestWith({ x: 1 }));
  });

  test('of an app is the first 16 bytes of SHA-256 over the digests of its buckets, and the digest of all apps covers the apps in the numerical order of their ids', () => {
    const { store } = openStore('a');
    for (const [at, appId] of ['10', '9', '10', '10'].entries()) store.put(appId, `k${at}`, bytesOf(28), 0, START_MS);
    const digestOf = (appId: string): string => sha256(Buffer.from(store.bucketDigests(appId).join(''), 'hex')).toString('hex').slice(0, 32);
    expect(['9', '10', '11'].map((appId) => store.appDigest(appId))).toEqual([digestOf('9'), digestOf('10'), null]);
    expect(store.rootDigest()).toBe(sha256(`9:${digestOf('9')};10:${digestOf('10')};`).toString('hex').slice(0, 32));
  });

  test('of all apps depends on the records of each app, and not on their order of arrival', () => {
    const rootOf = (...apps: string[]): string => {
      const { store } = openStore('a');
      for (const appId of apps) store.merge(appId, { key: `k${appId.length}`, value: null, version: { x: 1 }, updated_at_ms: START_MS, tombstone: true, ttl_ms: 0 }, START_MS);
      return store.rootDigest();
    };
    expect(rootOf('7', '10')).toBe(rootOf('10', '7'));
    expect(rootOf('7')).not.toBe(rootOf('8'));
    expect(rootOf()).toBe(rootDigest([]));
  });

  test('of a store whose records have all been removed is the digest of an empty store', () => {
    const { store } = openStore('a');
    const empty = store.rootDigest();
    store.put('7', 'k', bytesOf(28), 1, START_MS);
    expect(store.rootDigest()).not.toBe(empty);
    store.letAge(START_MS + 1_000_000);
    expect([store.rootDigest(), store.appIds(), store.bucketDigests('7').every((bucket) => bucket === EMPTY_BUCKET)]).toEqual([empty, [], true]);
  });
});
