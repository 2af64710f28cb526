/** Checks whether a record fits in the store (protocol.md §8; §10, Quota and Bounds). This module changes nothing. */
import type { Contents } from './contents.ts';
import type { HeldRecord } from './held-record.ts';
import { APP_BYTES, storeBytes } from './memory-cost.ts';
import { absentFromMs, contentBytes, goneFromMs, type StoredRecord } from './record.ts';

export interface CapacityLimits {
  /** `MAX_APP_STORAGE_BYTES`. */
  readonly maxAppBytes: number;
  /** `MAX_STORE_BYTES`. */
  readonly maxStoreBytes: number;
  /** `MAX_APPS`. */
  readonly maxApps: number;
  readonly tombstoneRetentionMs: number;
}

/**
 * How far a store may grow above `MAX_STORE_BYTES` for a peer's record that deletes a held value or makes that value expire earlier. Bytes.
 *
 * If a full store refused such a record, this node would keep the value, and would give it back to all nodes after they had forgotten the
 * record. A tombstone may have many more clock entries than the value that it deletes, so it may need more room than that value. The reserve
 * is bounded, because a member could otherwise fill the memory with tombstones whose clocks have 64 entries.
 */
const RESERVE_BYTES = 32 * 1024 * 1024;
/** The part of the reserve that is open to values with a lifetime. Values are large, and must leave room for tombstones. Bytes. */
const RESERVE_FOR_VALUES_BYTES = RESERVE_BYTES / 2;

/** A record that may be stored, and the record that is currently held for the same key. */
export interface Candidate {
  readonly appId: string;
  readonly record: StoredRecord;
  readonly held: HeldRecord | undefined;
}

/** Whether the store already holds this app, or has room for one more app. */
function fitsAsApp({ appId }: Candidate, contents: Contents, { maxApps }: CapacityLimits): boolean {
  return contents.apps < maxApps || contents.namespace(appId) !== undefined;
}

/**
 * Whether the store has room for a record in place of the held one. A record that is not larger than the held one always fits.
 * @param maxBytes the limit for the whole store
 */
function fitsByBytes({ appId, record, held }: Candidate, contents: Contents, maxBytes: number): boolean {
  const before = held === undefined || held.presence === 'gone' ? 0 : storeBytes(held);
  const app = contents.namespace(appId) === undefined ? APP_BYTES : 0;
  const growth = storeBytes(record) + app - before;
  return growth <= 0 || contents.bytes + growth <= maxBytes;
}

/** How many bytes above the limit a merged record may use. */
function reserveFor({ record, held }: Candidate, tombstoneRetentionMs: number): number {
  if (held === undefined || held.value === null) return 0;
  if (record.value === null) return RESERVE_BYTES;
  // If the new value were refused, the held value would still be present here after the other nodes had forgotten the new one.
  return goneFromMs(record, tombstoneRetentionMs) < absentFromMs(held) ? RESERVE_FOR_VALUES_BYTES : 0;
}

/** Whether a merged record fits. The app's quota does not limit merges. */
export function fitsInStore(candidate: Candidate, contents: Contents, limits: CapacityLimits): boolean {
  const maxBytes = limits.maxStoreBytes + reserveFor(candidate, limits.tombstoneRetentionMs);
  return fitsAsApp(candidate, contents, limits) && fitsByBytes(candidate, contents, maxBytes);
}

/** Why a local write does not fit; null if it fits. */
export function whyFull(candidate: Candidate, contents: Contents, limits: CapacityLimits): string | null {
  const { appId, record, held } = candidate;
  const growth = contentBytes(record) - (held?.presence === 'present' ? contentBytes(held) : 0);
  const present = contents.namespace(appId)?.presentBytes ?? 0;
  if (growth > 0 && present + growth > limits.maxAppBytes) return `the app would store more than ${limits.maxAppBytes} bytes`;
  if (!fitsAsApp(candidate, contents, limits)) return 'this node already holds data for the maximum number of apps';
  return fitsByBytes(candidate, contents, limits.maxStoreBytes) ? null : 'the store of this node is full';
}
