/**
 * Digests for comparing stores (protocol.md §10, Comparison): one for each of an app's 256 buckets, one for each app, and one for
 * the whole store. A bucket's digest is the XOR of its records' digests, so the cost of a change does not depend on what the bucket holds.
 */
import { sha256 } from '../crypto/hash.ts';
import { digestText } from '../crypto/record-digest.ts';

export const BUCKETS = 256;

/** The digest of a bucket that holds nothing. */
export const EMPTY_BUCKET = digestText({ high: 0, low: 0 });

/** The bucket of a key: the first byte of its SHA-256. */
export function bucketOf(key: string): number {
  return sha256(key)[0]!;
}

/** Size of a bucket's digest. Bytes. */
export const BUCKET_BYTES = 8;

/** @param buckets the digests of all 256 buckets, one after another @returns 32 hex digits */
export function appDigest(buckets: Uint8Array): string {
  return first16(buckets);
}

/** @param apps in ascending order of their ids; the digest covers the ids, because different apps may have equal tombstones */
export function rootDigest(apps: readonly (readonly [appId: string, digest: string])[]): string {
  return first16(Buffer.from(apps.map(([appId, digest]) => `${appId}:${digest};`).join(''), 'utf8'));
}

function first16(bytes: Uint8Array): string {
  return Buffer.from(sha256(bytes).subarray(0, 16)).toString('hex');
}
