/** A store for tests. A test can change its limits and `outside`, which stands for what other modules would tell the store. */
import type { StoreId } from '../../../src/domain/ids.ts';
import { RecordStore, type RecordStoreOptions } from '../../../src/store/record-store.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

/** The Unix time in milliseconds at which the tests begin. */
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
  /** Sequence numbers of acknowledged writes that some peer may not have. */
  readonly inDoubt: Set<number>;
  keepsEverything: boolean;
}

export function isTakenByAll({ acknowledged, inDoubt }: Outside, sequenceNumber: number): boolean {
  return sequenceNumber <= acknowledged && !inDoubt.has(sequenceNumber);
}

/** @param name distinguishes the clock keys and the randomness of this node from those of other nodes */
export function openStore(name: string, limits: Partial<RecordStoreOptions> = {}) {
  const outside: Outside = { acknowledged: 0, inDoubt: new Set(), keepsEverything: false };
  const ownClockKey = (storeId: StoreId): string => `${name}/${storeId}`;
  const store = new RecordStore(
    { ...LIMITS, ...limits },
    {
      random: new SeededRandom(name),
      opens: (_, stored) => stored[0] !== UNREADABLE,
      ownClockKey,
      takenByAll: (number) => isTakenByAll(outside, number),
      keepsEverything: () => outside.keepsEverything,
    },
  );
  return { store, outside, ownKey: (): string => ownClockKey(store.storeId) };
}

/** Stored bytes that begin with this byte cannot be decrypted. */
export const UNREADABLE = 255;

/** Stored bytes of this length, all with the same value. */
export function bytesOf(length: number, fill = 1): Uint8Array {
  return new Uint8Array(length).fill(fill);
}
