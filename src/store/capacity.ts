/** Checks whether a record fits in the store (protocol.md §8; §10, Quota and Bounds). This module changes nothing. */
import type { Contents } from './contents.ts';
import type { HeldRecord } from './held-record.ts';
import { APP_BYTES, storeBytes } from './memory-cost.ts';
import { contentBytes, type StoredRecord } from './record.ts';

export interface CapacityLimits {
  /** `MAX_APP_STORAGE_BYTES`. */
  readonly maxAppBytes: number;
  /** `MAX_STORE_BYTES`. */
  readonly maxStoreBytes: number;
  /** `MAX_APPS`. */
  readonly maxApps: number;
}

/**
 * How far above `MAX_STORE_BYTES` deletes from peers may fill the store. Bytes.
 *
 * A tombstone may have many more clock entries than the value that it deletes, so it may not fit in its place. If a full store refused it,
 * this node would keep the value, and give it back to all nodes after they have forgotten the tombstone. The reserve is bounded, because a
 * member could otherwise fill the memory with tombstones whose clocks have 64 entries.
 */
export const DELETE_RESERVE_BYTES = 32 * 1024 * 1024;

/** A record, and the record that is currently held for its key. */
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
 * @param maxBytes for the whole store
 */
function fitsByBytes({ appId, record, held }: Candidate, contents: Contents, maxBytes: number): boolean {
  const before = held === undefined || held.presence === 'gone' ? 0 : storeBytes(held);
  const app = contents.namespace(appId) === undefined ? APP_BYTES : 0;
  const growth = storeBytes(record) + app - before;
  return growth <= 0 || contents.bytes + growth <= maxBytes;
}

/** Whether the record deletes a value that the store holds. */
function deletesHeld({ record, held }: Candidate): boolean {
  return record.value === null && held !== undefined && held.value !== null;
}

/** Whether a merged record fits. The app's quota does not limit merges. */
export function fitsInStore(candidate: Candidate, contents: Contents, limits: CapacityLimits): boolean {
  const reserve = deletesHeld(candidate) ? DELETE_RESERVE_BYTES : 0;
  return fitsAsApp(candidate, contents, limits) && fitsByBytes(candidate, contents, limits.maxStoreBytes + reserve);
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
