/** What `sync` needs from the store. */
import type { StoreId } from '../domain/ids.ts';
import type { MergeVerdict, OwnWrite, OwnWritesListener, WalkRequest, WalkStep, WireRecord } from '../domain/records.ts';

export interface SyncStore {
  readonly storeId: StoreId;
  /** Memory that all held records and apps take. Bytes. */
  readonly heldBytes: number;
  /** Merges one record, or returns why it is not merged. */
  merge(appId: string, wire: unknown, nowMs: number): MergeVerdict;
  /** @throws RefusalError bad_request for a cursor that is not from this store */
  walk(request: WalkRequest): Iterable<WalkStep>;
  recordOf(appId: string, key: string): WireRecord | null;
  /** The digest of a record, 16 hex digits; null when there is no record. */
  digestOf(appId: string, key: string): string | null;
  /** This node's own writes with a sequence number above `above`, oldest first. The result must be read before the next write. */
  writesAfter(above: number): Iterable<OwnWrite>;
  readonly writes: {
    /** How many writes of this node must be sent to a peer that has none of them, and their size in bytes. */
    totals(): { readonly records: number; readonly bytes: number };
    listen(listener: OwnWritesListener): () => void;
  };
  /** Notes that, according to a peer's answer, the peer has this node's write to the key or a newer record for the key. */
  noteTaken(appId: string, key: string, sequenceNumber: number): void;
  /**
   * Whether this node wrote the held record and no other node can have deleted it, because the record's sequence number is above `seenUpTo`
   * or no peer has ever reported that it has the record.
   */
  isUnseen(appId: string, key: string, seenUpTo: number): boolean;
  /** Expires and removes the records that are due. Called before stores are compared. */
  letAge(nowMs: number): void;
  forget(appId: string, key: string): void;
  forgetOverdue(): void;
  /** The digest over all apps, 32 hex digits. */
  rootDigest(): string;
  /** Ids of the apps with at least one record, ascending. */
  appIds(): readonly string[];
  /** The digest over the records of an app, 32 hex digits; null when the app has no records. */
  appDigest(appId: string): string | null;
  bucketDigests(appId: string): readonly string[];
}
