/** Whether a record fits (protocol.md §10, Quota; §8): `MAX_APP_STORAGE_BYTES` and `MAX_STORE_BYTES`. Changes nothing. */
import type { Contents } from './contents.ts';
import type { HeldRecord } from './held-record.ts';
import { storeBytes } from './record-size.ts';
import { contentBytes, type StoredRecord } from './record.ts';

export interface CapacityLimits {
  /** `MAX_APP_STORAGE_BYTES`. */
  readonly maxAppBytes: number;
  /** `MAX_STORE_BYTES`. */
  readonly maxStoreBytes: number;
}

/** Whether the store has room for a record in place of the one that is held. */
export function fitsInStore(record: StoredRecord, held: HeldRecord | undefined, contents: Contents, { maxStoreBytes }: CapacityLimits): boolean {
  const growth = storeBytes(record) - (held === undefined || held.presence === 'gone' ? 0 : storeBytes(held.record));
  return growth <= 0 || contents.bytes + growth <= maxStoreBytes;
}

/** Why a local write does not fit; null when it does. What does not grow always fits. */
export function whyFull(appId: string, record: StoredRecord, held: HeldRecord | undefined, contents: Contents, limits: CapacityLimits): string | null {
  const growth = contentBytes(record) - (held?.presence === 'present' ? contentBytes(held.record) : 0);
  const present = contents.namespace(appId)?.presentBytes ?? 0;
  if (growth > 0 && present + growth > limits.maxAppBytes) return `the app stores more than ${limits.maxAppBytes} bytes`;
  return fitsInStore(record, held, contents, limits) ? null : 'the store of this node is full';
}
