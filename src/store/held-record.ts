/** One key of one app as the store keeps it: the record, and where it hangs in each of the store's orders. */
import type { Digest64 } from '../crypto/record-digest.ts';
import type { StoredRecord } from './record.ts';
import type { Timer } from './timing-wheel.ts';
import type { LogEntry } from './write-log.ts';

/** `present`: readable, listed, counted in the quota. `absent`: kept for its clock. `gone`: taken out of the store. */
export type Presence = 'present' | 'absent' | 'gone';

export class HeldRecord {
  readonly appId: string;
  readonly bucket: number;
  /** Rises with every key that comes: the order in a bucket, for pages. */
  readonly place: number;
  record: StoredRecord;
  digestHigh = 0;
  digestLow = 0;
  presence: Presence = 'absent';
  /** A tombstone that this node wrote. */
  ownTombstone = false;
  /** Fires when its age changes something next. */
  timer: Timer<HeldRecord> | null = null;
  /** Its entry in the log of own writes. */
  logEntry: LogEntry<HeldRecord> | null = null;
  /** Neighbours in the bucket, by place. */
  before: HeldRecord | null = null;
  next: HeldRecord | null = null;

  constructor(appId: string, bucket: number, place: number, record: StoredRecord) {
    this.appId = appId;
    this.bucket = bucket;
    this.place = place;
    this.record = record;
  }

  get digest(): Digest64 {
    return { high: this.digestHigh, low: this.digestLow };
  }
}
