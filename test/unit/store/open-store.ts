/** A store with small limits, and with an outside that the test sets by hand. */
import type { StoreId } from '../../../src/domain/ids.ts';
import { RecordStore, type RecordStoreOptions } from '../../../src/store/record-store.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

/** Unix milliseconds at which stories begin. */
export const START_MS = 1_790_000_000_000;

export const LIMITS: RecordStoreOptions = {
  maxValueBytes: 1_024,
  maxAppBytes: 1_000_000_000,
  maxClockSkewMs: 15_000,
  maxStoreBytes: 1_000_000_000,
  maxApps: 20_000,
  tombstoneRetentionMs: 60_000,
  maxTombstonesPerApp: 1_000_000,
};

export interface Outside {
  /** The sequence number up to which all peers have acknowledged this node's writes. */
  acknowledged: number;
  keepsEverything: boolean;
}

/** @param name distinguishes the node's clock keys and its randomness from those of others */
export function openStore(name: string, limits: Partial<RecordStoreOptions> = {}) {
  const outside: Outside = { acknowledged: 0, keepsEverything: false };
  const ownClockKey = (storeId: StoreId): string => `${name}/${storeId}`;
  const store = new RecordStore(
    { ...LIMITS, ...limits },
    {
      random: new SeededRandom(name),
      opens: (_, stored) => stored[0] !== UNREADABLE,
      ownClockKey,
      takenByAll: (number) => number <= outside.acknowledged,
      keepsEverything: () => outside.keepsEverything,
    },
  );
  return { store, outside, ownKey: (): string => ownClockKey(store.storeId) };
}

/** The first byte of stored bytes that cannot be decrypted. */
export const UNREADABLE = 255;

/** Stored bytes of this length, all with the same value. */
export function bytesOf(length: number, fill = 1): Uint8Array {
  return new Uint8Array(length).fill(fill);
}
