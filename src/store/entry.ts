/** One key of one app as the store keeps it: the record, and where it hangs in each of the store's orders. */
import type { Digest64 } from '../crypto/record-digest.ts';
import type { Timer } from './timing-wheel.ts';
import type { StoredRecord } from './record.ts';
import type { LogEntry } from './write-log.ts';

export interface Entry {
  readonly appId: string;
  readonly bucket: number;
  /** Rises with every key that comes: the order in a bucket, for pages. */
  readonly sequence: number;
  record: StoredRecord;
  digest: Digest64;
  /** What it counts for in the limits. */
  storeBytes: number;
  contentBytes: number;
  /** Counted as present: readable, listed, part of the quota. */
  counted: boolean;
  /** A tombstone that this node wrote. */
  ownTombstone: boolean;
  /** Fires when its age changes something next. */
  timer: Timer<Entry> | null;
  /** Its entry in the log of own writes. */
  logEntry: LogEntry<Entry> | null;
  /** Neighbours in the bucket, by sequence. */
  before: Entry | null;
  next: Entry | null;
  /** It was taken out of the store. */
  gone: boolean;
}
