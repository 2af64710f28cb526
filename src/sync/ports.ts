/** What this room needs from the store and the rest of the node. */
import type { StoreId } from '../domain/ids.ts';
import type { MergeVerdict, OwnWrite, OwnWritesListener, WalkRequest, WalkStep, WireRecord } from '../domain/records.ts';

export interface SyncStore {
  readonly storeId: StoreId;
  /** What all records cost in memory. */
  readonly heldBytes: number;
  /** Judges one record on its own. */
  merge(appId: string, wire: unknown, nowMs: number): MergeVerdict;
  /** @throws RefusalError bad_request on a cursor that this store did not give */
  walk(request: WalkRequest): Iterable<WalkStep>;
  recordOf(appId: string, key: string): WireRecord | null;
  /** 16 hex digits; null when there is no record. */
  digestOf(appId: string, key: string): string | null;
  /** This node's own writes with a sequence number above `above`, oldest first. To be read before anything is written again. */
  writesAfter(above: number): Iterable<OwnWrite>;
  readonly writes: {
    /** Writes that are still to be sent to a peer that has none of them, and their bytes. */
    totals(): { readonly records: number; readonly bytes: number };
    listen(listener: OwnWritesListener): () => void;
  };
  /** A peer has taken this node's own write of a key, or holds a later one. */
  noteTaken(appId: string, key: string, sequenceNumber: number): void;
  /** This node wrote what is held of a key, with a sequence number above `seenUpTo`, or so that no peer has ever said that it has it. */
  isUnseen(appId: string, key: string, seenUpTo: number): boolean;
  /** Lets age do what has come due, before stores are compared. */
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
