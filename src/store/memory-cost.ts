/**
 * How much memory records and apps take, for `MAX_STORE_BYTES` (protocol.md §10, Bounds), and the approximate size of a record on the wire.
 * Pure. The constants are measured: `npm run bench:store-memory` fails if the heap grows by more than they predict
 * (docs/decisions/0022-what-a-record-costs.md).
 */
import type { StoredRecord } from './record.ts';
import { clockEntries } from './vector-clock.ts';

/**
 * Memory of a record without its strings: its objects, its entries in maps, lists and logs, its timer and its bucket. It is the same for
 * every record, so that a tombstone never costs more than the record that it replaces. Bytes.
 */
export const RECORD_BYTES = 640;
/** Memory of a clock entry without the string of its key. Bytes. */
export const CLOCK_ENTRY_BYTES = 32;
/** Memory of an app without its records. Bytes. */
export const APP_BYTES = 1_024;
/** Memory of a string without its characters. Bytes. */
export const TEXT_BYTES = 24;

/** Length of the longest clock key that a node writes: `<wallet>/<store_id>`. Older nodes write only the wallet. Characters. */
const WRITTEN_CLOCK_KEY_LENGTH = 42 + 1 + 16;
/**
 * The least that a value costs: as much as the clock entry that its delete adds. Otherwise the tombstone of a small value would cost more
 * than the value, and a delete in a full store would exceed the limit.
 */
const MIN_VALUE_BYTES = CLOCK_ENTRY_BYTES + TEXT_BYTES + WRITTEN_CLOCK_KEY_LENGTH;

/** V8 stores a string with one byte per character if all characters are Latin-1, otherwise with two. */
function textBytes(text: string): number {
  return TEXT_BYTES + (/[^\u0000-\u00ff]/.test(text) ? 2 * text.length : text.length);
}

/** How many bytes of `MAX_STORE_BYTES` a record uses (protocol.md §8), even after it has expired. */
export function storeBytes({ key, value, version }: StoredRecord): number {
  let clock = 0;
  for (const [clockKey] of clockEntries(version)) clock += CLOCK_ENTRY_BYTES + textBytes(clockKey);
  return RECORD_BYTES + clock + textBytes(key) + (value === null ? 0 : Math.max(TEXT_BYTES + value.length, MIN_VALUE_BYTES));
}

/** Approximate size of a record in a body of `/sync`, before the envelope doubles it. Bytes. */
export function wireBytes({ key, value, version }: StoredRecord): number {
  let clock = 0;
  for (const [clockKey] of clockEntries(version)) clock += Buffer.byteLength(clockKey) + WIRE_COUNT_BYTES;
  return WIRE_RECORD_BYTES + clock + Buffer.byteLength(key) + 2 * (value?.length ?? 0);
}

/** Size of the field names and numbers of a record in JSON. Bytes. */
const WIRE_RECORD_BYTES = 128;
/** Size of a count in JSON, with the characters around it. Bytes. */
const WIRE_COUNT_BYTES = 20;
