/** What a record counts for in the limits of the whole store, and about what it takes on the wire. Pure. */
import { contentBytes, type StoredRecord } from './record.ts';
import { clockEntries } from './vector-clock.ts';

/** What a record costs beside its key, clock and value. Bytes. */
const RECORD_OVERHEAD_BYTES = 256;
/** What a clock entry costs beside its key. Bytes. */
const COUNT_BYTES = 8;

/** Bytes that a record counts for in `MAX_STORE_BYTES` (protocol.md §8), whatever its age. */
export function storeBytes(record: StoredRecord): number {
  let clock = 0;
  for (const [key] of clockEntries(record.version)) clock += Buffer.byteLength(key) + COUNT_BYTES;
  return RECORD_OVERHEAD_BYTES + clock + contentBytes(record);
}

/** About what a record takes in a body of `/sync`, before the envelope doubles it. Bytes. */
export function wireBytes(record: StoredRecord): number {
  return storeBytes(record) + (record.value?.length ?? 0);
}
