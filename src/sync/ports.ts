/** What `sync` needs from the store. */
import type { StoreId } from '../domain/ids.ts';
import type { MergeVerdict, OwnWrite, OwnWritesListener, WalkRequest, WalkStep, WireRecord } from '../domain/records.ts';

export interface SyncStore {
  readonly storeId: StoreId;
  /** What everything held costs in memory. Bytes. */
  readonly heldBytes: number;
  /** Judges one record on its own. */
  merge(appId: string, wire: unknown, nowMs: number): MergeVerdict;
  /** @throws RefusalError bad_request on a cursor that this store did not give */
  walk(request: WalkRequest): Iterable<WalkStep>;
  recordOf(appId: string, key: string): WireRecord | null;
  /** 16 hex digits; null when there is no record. */
  digestOf(appId: string, key: string): string | null;
  /** This node's own writes with a sequence number above `above`, oldest first. Must be read before the next write. */
  writesAfter(above: number): Iterable<OwnWrite>;
  readonly writes: {
    /** The own writes that a peer without any of them must still be sent, and their bytes. */
    totals(): { readonly records: number; readonly bytes: number };
    listen(listener: OwnWritesListener): () => void;
  };
  /** A peer has taken this own write of the key, or holds a later record. */
  noteTaken(appId: string, key: string, sequenceNumber: number): void;
  /** Whether this node wrote the held record, and its sequence number is above `seenUpTo` or no peer has ever said that it has it. */
  isUnseen(appId: string, key: string, seenUpTo: number): boolean;
  /** Expires and removes what is due. Called before stores are compared. */
  letAge(nowMs: number): void;
  forget(appId: string, key: string): void;
  forgetOverdue(): void;
  /** 32 hex digits. */
  rootDigest(): string;
  /** Ids of the apps that hold a record, ascending. */
  appIds(): readonly string[];
  /** 32 hex digits; null when the app holds nothing. */
  appDigest(appId: string): string | null;
  bucketDigests(appId: string): readonly string[];
}
