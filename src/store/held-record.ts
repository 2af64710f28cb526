/**
 * What the store holds for one key of one app: the fields of the record, and its links in each of the store's data structures. Both are in
 * one object, because a separate object for the record would take 32 more bytes for each key.
 */
import type { Digest64 } from '../crypto/record-digest.ts';
import type { PackedBytes } from './packed-bytes.ts';
import type { StoredRecord } from './record.ts';
import type { Timer } from './timing-wheel.ts';
import type { VectorClock } from './vector-clock.ts';
import type { LogEntry } from './write-log.ts';

/** `present`: readable, listed, counted towards the quota. `absent`: kept for its clock. `gone`: removed from the store. */
export type Presence = 'present' | 'absent' | 'gone';

export class HeldRecord implements StoredRecord {
  readonly appId: string;
  readonly bucket: number;
  /** Increases with each new key. Pages list the records of a bucket in ascending order of `place`. */
  readonly place: number;
  readonly key: string;
  value: PackedBytes | null;
  version: VectorClock;
  updatedAtMs: number;
  ttlMs: number;
  digestHigh = 0;
  digestLow = 0;
  presence: Presence = 'absent';
  /** Whether the record is a tombstone that this node wrote. */
  ownTombstone = false;
  /** Fires when the record expires, and later when it may be forgotten. */
  timer: Timer<HeldRecord> | null = null;
  /** The record's entry in the log of this node's own writes. */
  logEntry: LogEntry<HeldRecord> | null = null;
  /** Neighbours in the bucket, in ascending order of `place`. */
  before: HeldRecord | null = null;
  next: HeldRecord | null = null;

  constructor(appId: string, bucket: number, place: number, { key, value, version, updatedAtMs, ttlMs }: StoredRecord) {
    this.appId = appId;
    this.bucket = bucket;
    this.place = place;
    this.key = key;
    this.value = value;
    this.version = version;
    this.updatedAtMs = updatedAtMs;
    this.ttlMs = ttlMs;
  }

  /** Replaces the content with that of another record of the same key. The key string stays, so that it is in memory only once. */
  replaceWith({ value, version, updatedAtMs, ttlMs }: StoredRecord): void {
    this.value = value;
    this.version = version;
    this.updatedAtMs = updatedAtMs;
    this.ttlMs = ttlMs;
  }

  get digest(): Digest64 {
    return { high: this.digestHigh, low: this.digestLow };
  }
}
