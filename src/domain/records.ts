/** A record of the replicated store as it travels in `/sync` (protocol.md §4), and what a merge made of a batch. */

export interface WireRecord {
  readonly key: string;
  /** Hex of the stored bytes; null exactly when `tombstone`. */
  readonly value: string | null;
  /** Clock keys are opaque text, kept as sent. */
  readonly version: Readonly<Record<string, number>>;
  readonly updated_at_ms: number;
  readonly tombstone: boolean;
  /** 0: never expires. */
  readonly ttl_ms: number;
}

/** Records by app id (decimal digits). */
export type WireRecords = Readonly<Record<string, readonly WireRecord[]>>;

/** Why a record that came is not what is held now, although nothing is wrong with it. */
export type MergeSkip = 'ignored_existing_newer_version' | 'ignored_existing_newer_time' | 'ignored_identical';

/** Why a record is refused (protocol.md §4, Refused). */
export type MergeRefusal =
  | 'malformed'
  | 'bad_clock'
  | 'too_large'
  | 'too_short'
  | 'does_not_decrypt'
  | 'too_far_ahead'
  | 'bad_app_id'
  | 'store_full';

/** The outcome for one record. */
export type MergeVerdict =
  | { readonly kind: 'merged' }
  | { readonly kind: 'skipped'; readonly why: MergeSkip }
  | { readonly kind: 'rejected'; readonly why: MergeRefusal };

export interface Rejection {
  readonly app_id: string;
  readonly key: string;
  readonly reason: string;
}

/** The outcome for each record of a batch: total = merged + skipped + rejected. */
export interface MergeReport {
  readonly total: number;
  readonly merged: number;
  readonly skipped: number;
  readonly rejected: number;
  readonly skip_reasons: Readonly<Record<string, number>>;
  /** At most 100. */
  readonly rejections: readonly Rejection[];
}

/** A local write that the store has taken. */
export interface LocalWrite {
  readonly appId: string;
  readonly key: string;
  /** This node's own number of it. */
  readonly sequenceNumber: number;
  readonly updatedAtMs: number;
}

/** An entry of the log of this node's own writes, with the record as it is now, regardless of who wrote it last. */
export interface OwnWrite {
  readonly appId: string;
  readonly sequenceNumber: number;
  /** As counted when it was written. */
  readonly bytes: number;
  readonly record: WireRecord;
  /** The key was written again meanwhile, or nothing of it is kept. */
  readonly isSuperseded: () => boolean;
}

/** Hears of every own write, and of every one that need not be sent any more. */
export interface OwnWritesListener {
  onAppended(entry: { readonly sequenceNumber: number; readonly bytes: number }): void;
  onSuperseded(entry: { readonly sequenceNumber: number; readonly bytes: number }): void;
}

/** One record and where a walk through the store goes on after it. */
export interface WalkStep {
  readonly appId: string;
  readonly record: WireRecord;
  readonly cursor: string;
}

export interface WalkRequest {
  /** Where an earlier walk stopped. */
  readonly cursor?: string | undefined;
  readonly app?: string | undefined;
  /** First bytes of SHA-256(key), 0..255; only with `app`. */
  readonly buckets?: readonly number[] | undefined;
}

export interface ListRequest {
  /** Only keys that begin with this. */
  readonly prefix?: string | undefined;
  /** Only keys after this one. */
  readonly after?: string | undefined;
  /** Keys at most; from 1. */
  readonly limit?: number | undefined;
}

export interface KeyPage {
  /** In ascending order of UTF-16 code units. */
  readonly keys: readonly string[];
  /** There are more after the last one. */
  readonly more: boolean;
}
