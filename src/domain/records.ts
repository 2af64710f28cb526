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

/** What became of each record of a batch: total = merged + skipped + rejected. */
export interface MergeReport {
  readonly total: number;
  readonly merged: number;
  readonly skipped: number;
  readonly rejected: number;
  readonly skip_reasons: Readonly<Record<string, number>>;
  /** At most 100. */
  readonly rejections: readonly { readonly app_id: string; readonly key: string; readonly reason: string }[];
}

export interface SnapshotPageRequest {
  /** Of the page's JSON text as it will stand inside the envelope, in bytes. */
  readonly maxBytes: number;
  readonly cursor?: string;
  readonly app?: string;
  /** First bytes of SHA-256(key), 0..255; only with `app`. */
  readonly buckets?: readonly number[];
}

export interface SnapshotPage {
  readonly data: WireRecords;
  /** Where the next page starts; null when nothing is left. */
  readonly nextCursor: string | null;
}
