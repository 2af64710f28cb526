/**
 * The records of one app: by key, by bucket and in the order of their keys, with the counts that the limits need. The cost of a change does
 * not depend on the number of records.
 */
import { digestText } from '../crypto/record-digest.ts';
import { appDigest, BUCKET_BYTES, BUCKETS, EMPTY_BUCKET } from './digest.ts';
import type { HeldRecord } from './held-record.ts';
import { KeyIndex } from './key-index.ts';
import type { QuotedKeys } from './quoted-keys.ts';
import { contentBytes } from './record.ts';

interface Bucket {
  first: HeldRecord | null;
  last: HeldRecord | null;
  high: number;
  low: number;
}

/** Totals over all records of a store that are counted as present. Each namespace adds and subtracts its own records. */
export interface PresentTotals {
  keys: number;
  bytes: number;
  /** Number of namespaces with at least one record that is counted as present. */
  namespaces: number;
}

export class Namespace {
  readonly #totals: PresentTotals;
  readonly keys: KeyIndex;
  readonly #records = new Map<string, HeldRecord>();
  readonly #buckets = new Map<number, Bucket>();
  /** Tombstones that this node wrote, oldest first. */
  readonly #ownTombstones = new Set<HeldRecord>();
  /** Totals over the records that are counted as present. */
  #presentKeys = 0;
  #presentBytes = 0;
  tombstones = 0;
  #digest: string | null = null;

  constructor(totals: PresentTotals, quoted: QuotedKeys) {
    this.#totals = totals;
    this.keys = new KeyIndex(quoted);
  }

  get size(): number {
    return this.#records.size;
  }

  /** Number of records that are counted as present. */
  get presentKeys(): number {
    return this.#presentKeys;
  }

  get presentBytes(): number {
    return this.#presentBytes;
  }

  get(key: string): HeldRecord | undefined {
    return this.#records.get(key);
  }

  /** The digests of all 256 buckets. */
  bucketDigests(): readonly string[] {
    return Array.from({ length: BUCKETS }, (_, index) => {
      const bucket = this.#buckets.get(index);
      return bucket === undefined ? EMPTY_BUCKET : digestText(bucket);
    });
  }

  digest(): string {
    if (this.#digest !== null) return this.#digest;
    const bytes = Buffer.alloc(BUCKETS * BUCKET_BYTES);
    for (const [index, { high, low }] of this.#buckets) {
      bytes.writeInt32BE(high, index * BUCKET_BYTES);
      bytes.writeInt32BE(low, index * BUCKET_BYTES + BUCKET_BYTES / 2);
    }
    this.#digest = appDigest(bytes);
    return this.#digest;
  }

  /** The first record after `place` in a bucket. */
  firstAfter(bucket: number, place: number): HeldRecord | null {
    let held = this.#buckets.get(bucket)?.first ?? null;
    while (held !== null && held.place <= place) held = held.next;
    return held;
  }

  /** Adds a new record. The counts and digests do not cover it until `include` is called. */
  insert(held: HeldRecord): void {
    this.#records.set(held.key, held);
    let bucket = this.#buckets.get(held.bucket);
    if (bucket === undefined) {
      bucket = { first: null, last: null, high: 0, low: 0 };
      this.#buckets.set(held.bucket, bucket);
    }
    held.before = bucket.last;
    if (bucket.last === null) bucket.first = held;
    else bucket.last.next = held;
    bucket.last = held;
  }

  /** Removes a record. `exclude` must be called first. */
  remove(held: HeldRecord): void {
    if (held.presence === 'present') this.keys.remove(held.key);
    held.presence = 'gone';
    this.#records.delete(held.key);
    this.#ownTombstones.delete(held);
    const bucket = this.#buckets.get(held.bucket)!;
    if (held.before === null) bucket.first = held.next;
    else held.before.next = held.next;
    if (held.next === null) bucket.last = held.before;
    else held.next.before = held.before;
    if (bucket.first === null) this.#buckets.delete(held.bucket);
  }

  /** Adds a record to the counts and digests. */
  include(held: HeldRecord, presence: 'present' | 'absent'): void {
    this.#flipDigest(held);
    if (held.value === null) this.tombstones += 1;
    // A tombstone that is already in the set keeps its place: a merge with a peer's clock does not make it newer.
    if (held.ownTombstone) this.#ownTombstones.add(held);
    else this.#ownTombstones.delete(held);
    if (presence === 'present') this.#count(1, contentBytes(held));
    if (presence === held.presence) return;
    held.presence = presence;
    if (presence === 'present') this.keys.add(held.key);
    else this.keys.remove(held.key);
  }

  /** Removes a record from the counts and digests, before it is replaced or removed. */
  exclude(held: HeldRecord): void {
    this.#flipDigest(held);
    if (held.value === null) this.tombstones -= 1;
    if (held.presence === 'present') this.#count(-1, -contentBytes(held));
  }

  /** Treats the record as absent from now on. */
  expire(held: HeldRecord): void {
    if (held.presence !== 'present') return;
    held.presence = 'absent';
    this.#count(-1, -contentBytes(held));
    this.keys.remove(held.key);
  }

  /** The oldest tombstone that this node wrote and that passes the test. Only the `atMost` oldest ones are examined. */
  oldestOwnTombstone(passes: (held: HeldRecord) => boolean, atMost: number): HeldRecord | null {
    let examined = 0;
    for (const held of this.#ownTombstones) {
      if (examined === atMost) return null;
      examined += 1;
      if (passes(held)) return held;
    }
    return null;
  }

  #count(keys: number, bytes: number): void {
    const wasPresent = this.#presentKeys > 0;
    this.#presentKeys += keys;
    this.#presentBytes += bytes;
    this.#totals.keys += keys;
    this.#totals.bytes += bytes;
    this.#totals.namespaces += Number(this.#presentKeys > 0) - Number(wasPresent);
  }

  #flipDigest(held: HeldRecord): void {
    const bucket = this.#buckets.get(held.bucket)!;
    bucket.high ^= held.digestHigh;
    bucket.low ^= held.digestLow;
    this.#digest = null;
  }
}
