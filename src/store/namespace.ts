/** The records of one app: by key, by bucket and in order, with the counts that limits need. Every change costs the same. */
import { digestText } from '../crypto/record-digest.ts';
import { appDigest, BUCKET_BYTES, BUCKETS, EMPTY_BUCKET } from './digest.ts';
import type { Entry } from './entry.ts';
import { KeyIndex } from './key-index.ts';

interface Bucket {
  first: Entry | null;
  last: Entry | null;
  high: number;
  low: number;
}

/** What reads as present in all namespaces of a store: each of them counts its own records in and out. */
export interface PresentTotals {
  keys: number;
  bytes: number;
  /** Those with at least one such record. */
  namespaces: number;
}

export class Namespace {
  readonly #totals: PresentTotals;
  readonly keys = new KeyIndex();
  readonly #entries = new Map<string, Entry>();
  readonly #buckets = new Map<number, Bucket>();
  /** Tombstones written here, oldest number first. */
  readonly #ownTombstones = new Set<Entry>();
  /** Of what is counted as present. */
  #presentKeys = 0;
  #presentBytes = 0;
  tombstones = 0;
  #digest: string | null = null;

  constructor(totals: PresentTotals) {
    this.#totals = totals;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of what reads as present. */
  get presentBytes(): number {
    return this.#presentBytes;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
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

  /** The first entry of a bucket whose sequence is above `sequence`. */
  firstAfter(bucket: number, sequence: number): Entry | null {
    let entry = this.#buckets.get(bucket)?.first ?? null;
    while (entry !== null && entry.sequence <= sequence) entry = entry.next;
    return entry;
  }

  /** Puts a new entry in; its record counts from `include` on. */
  insert(entry: Entry): void {
    this.#entries.set(entry.record.key, entry);
    let bucket = this.#buckets.get(entry.bucket);
    if (bucket === undefined) {
      bucket = { first: null, last: null, high: 0, low: 0 };
      this.#buckets.set(entry.bucket, bucket);
    }
    entry.before = bucket.last;
    if (bucket.last === null) bucket.first = entry;
    else bucket.last.next = entry;
    bucket.last = entry;
  }

  /** Takes an entry out, after `exclude`. */
  remove(entry: Entry): void {
    this.#entries.delete(entry.record.key);
    this.#ownTombstones.delete(entry);
    const bucket = this.#buckets.get(entry.bucket)!;
    if (entry.before === null) bucket.first = entry.next;
    else entry.before.next = entry.next;
    if (entry.next === null) bucket.last = entry.before;
    else entry.next.before = entry.before;
    if (bucket.first === null) this.#buckets.delete(entry.bucket);
    entry.gone = true;
  }

  /** Counts the entry's record in. */
  include(entry: Entry): void {
    this.#flipDigest(entry);
    if (entry.record.value === null) this.tombstones += 1;
    // One that was there keeps its place: a peer that adds its clock to it makes it no younger.
    if (entry.ownTombstone) this.#ownTombstones.add(entry);
    else this.#ownTombstones.delete(entry);
    if (!entry.counted) return;
    this.#count(1, entry.contentBytes);
    this.keys.add(entry.record.key);
  }

  /** Counts the entry's record out: it is about to be replaced or removed. */
  exclude(entry: Entry): void {
    this.#flipDigest(entry);
    if (entry.record.value === null) this.tombstones -= 1;
    this.expire(entry);
  }

  /** From now on the record reads as absent. */
  expire(entry: Entry): void {
    if (!entry.counted) return;
    entry.counted = false;
    this.#count(-1, -entry.contentBytes);
    this.keys.remove(entry.record.key);
  }

  oldestOwnTombstone(): Entry | null {
    return this.#ownTombstones.values().next().value ?? null;
  }

  #count(keys: number, bytes: number): void {
    const wasPresent = this.#presentKeys > 0;
    this.#presentKeys += keys;
    this.#presentBytes += bytes;
    this.#totals.keys += keys;
    this.#totals.bytes += bytes;
    this.#totals.namespaces += Number(this.#presentKeys > 0) - Number(wasPresent);
  }

  #flipDigest(entry: Entry): void {
    const bucket = this.#buckets.get(entry.bucket)!;
    bucket.high ^= entry.digest.high;
    bucket.low ^= entry.digest.low;
    this.#digest = null;
  }
}
