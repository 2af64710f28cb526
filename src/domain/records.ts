/** A record of the replicated store as `/sync` sends it (protocol.md §4), and the outcome of merging a batch. */
import type { QuotedValue } from './quoted-json.ts';

export interface WireRecord {
  readonly key: string;
  /** Hex of the stored bytes; null exactly when `tombstone` is true. */
  readonly value: string | null;
  /** Clock keys are opaque strings, kept as sent. */
  readonly version: Readonly<Record<string, number>>;
  readonly updated_at_ms: number;
  readonly tombstone: boolean;
  /** 0 means that the record never expires. */
  readonly ttl_ms: number;
}

/** Records by app id (decimal digits). */
export type WireRecords = Readonly<Record<string, readonly WireRecord[]>>;

/** Why a valid incoming record does not replace the held record. */
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

/** The outcome of merging one record. */
export type MergeVerdict =
  | { readonly kind: 'merged' }
  | { readonly kind: 'skipped'; readonly why: MergeSkip }
  | { readonly kind: 'rejected'; readonly why: MergeRefusal };

export interface Rejection {
  readonly app_id: string;
  readonly key: string;
  readonly reason: string;
}

/** How many records of a batch were merged, skipped and rejected. The three numbers add up to `total`. */
export interface MergeReport {
  readonly total: number;
  readonly merged: number;
  readonly skipped: number;
  readonly rejected: number;
  readonly skip_reasons: Readonly<Record<string, number>>;
  /** The first rejections, at most 100, even if more records were rejected. */
  readonly rejections: readonly Rejection[];
}

/** A local write that the store has accepted. */
export interface LocalWrite {
  readonly appId: string;
  readonly key: string;
  /** Assigned by this node. */
  readonly sequenceNumber: number;
  readonly updatedAtMs: number;
}

/** An entry of this node's write log, with the current record of the entry's key, regardless of which node wrote that record. */
export interface OwnWrite {
  readonly appId: string;
  readonly sequenceNumber: number;
  /** The size that was counted when the entry was written. */
  readonly bytes: number;
  readonly record: WireRecord;
  /** Whether the key has been written again after this entry, or its record is no longer kept. */
  readonly isSuperseded: () => boolean;
}

/** Called for each write that this node makes, and later when that write no longer has to be sent. */
export interface OwnWritesListener {
  onAppended(entry: { readonly sequenceNumber: number; readonly bytes: number }): void;
  onSuperseded(entry: { readonly sequenceNumber: number; readonly bytes: number }): void;
}

/** One record of a walk through the store, and the cursor from which the walk continues. */
export interface WalkStep {
  readonly appId: string;
  readonly record: WireRecord;
  readonly cursor: string;
}

export interface WalkRequest {
  /** Where an earlier walk stopped. */
  readonly cursor?: string | undefined;
  readonly app?: string | undefined;
  /** Only keys for which the first byte of SHA-256(key) is one of these (0..255). Requires `app`. */
  readonly buckets?: readonly number[] | undefined;
}

export interface ListRequest {
  /** Only keys that begin with this string. */
  readonly prefix?: string | undefined;
  /** Only keys that sort after this key. */
  readonly after?: string | undefined;
  /** Maximum number of keys to return; at least 1. */
  readonly limit?: number | undefined;
}

export interface KeyPage {
  /** In ascending order of UTF-16 code units. */
  readonly keys: readonly string[];
  /** Whether more keys follow the last key of this page. */
  readonly more: boolean;
}

/** A `KeyPage` whose keys are JSON already. */
export interface QuotedKeyPage {
  /** A JSON array. */
  readonly keys: QuotedValue;
  readonly count: number;
  readonly more: boolean;
}
