/**
 * What records and apps cost in memory, for `MAX_STORE_BYTES` (protocol.md §10, Bounds), and about how long a record is on the wire.
 * Pure. The constants are measured: `npm run bench:store-memory` fails if the heap grows by more than is counted
 * (docs/decisions/0022-what-a-record-costs.md).
 */
import type { StoredRecord } from './record.ts';
import { clockEntries } from './vector-clock.ts';

/**
 * A record without its texts: its objects, its places in maps, lists and logs, its own timer and bucket. It is the same for every
 * record, so that a tombstone never counts for more than the record that it replaces. Bytes.
 */
export const RECORD_BYTES = 640;
/** A clock entry without the text of its key. Bytes. */
export const CLOCK_ENTRY_BYTES = 32;
/** An app without its records. Bytes. */
export const APP_BYTES = 1_024;
/** A text without its characters. Bytes. */
export const TEXT_BYTES = 24;

/** V8 holds a text in one byte per character if all are Latin-1, otherwise in two. */
function textBytes(text: string): number {
  return TEXT_BYTES + (/[^\u0000-\u00ff]/.test(text) ? 2 * text.length : text.length);
}

/** Bytes that a record counts for in `MAX_STORE_BYTES` (protocol.md §8), regardless of its age. */
export function storeBytes({ key, value, version }: StoredRecord): number {
  let clock = 0;
  for (const [clockKey] of clockEntries(version)) clock += CLOCK_ENTRY_BYTES + textBytes(clockKey);
  return RECORD_BYTES + clock + textBytes(key) + (value === null ? 0 : TEXT_BYTES + value.length);
}

/** Approximate size of a record in a body of `/sync`, before the envelope doubles it. Bytes. */
export function wireBytes({ key, value, version }: StoredRecord): number {
  let clock = 0;
  for (const [clockKey] of clockEntries(version)) clock += Buffer.byteLength(clockKey) + WIRE_COUNT_BYTES;
  return WIRE_RECORD_BYTES + clock + Buffer.byteLength(key) + 2 * (value?.length ?? 0);
}

/** The names and numbers of a record in JSON. Bytes. */
const WIRE_RECORD_BYTES = 128;
/** A count in JSON, with the characters around it. Bytes. */
const WIRE_COUNT_BYTES = 20;
