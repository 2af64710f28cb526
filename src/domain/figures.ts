/** Figures for operators (protocol.md §2, `/status` and `/nodes`; §10): what rooms count, and HTTP shows. */
import type { Wallet } from './ids.ts';
import type { SureReason } from './readiness.ts';

/** What reads of the chain have come to. */
export interface ChainFigures {
  /** Of the last good view; null before the first. */
  readonly viewAgeMs: number | null;
  /** Unix milliseconds of its block; null before the first. */
  readonly viewBlockMs: number | null;
  /** Reads that fail: since when (Unix milliseconds), and why the last one did. Null while they succeed. */
  readonly failing: { readonly sinceMs: number; readonly why: string } | null;
  /** A ready node may serve by the last good view; false before the first. */
  readonly isFresh: boolean;
}

/** What calls of the enclave API have come to. */
export interface EnclaveFigures {
  /** Why the API counts as failing; null while it answers. */
  readonly failing: string | null;
}

/** How far a peer is with this node's own writes (protocol.md §10). Times are Unix milliseconds, but for `clockLeadMs`. */
export interface ReplicationFigures {
  readonly wallet: Wallet;
  /** Own sequence number. */
  readonly acknowledgedUpTo: number;
  readonly behindRecords: number;
  readonly behindBytes: number;
  readonly lastSuccessMs: number | null;
  readonly lastError: string | null;
  readonly lastErrorMs: number | null;
  /** How far the peer's clock is ahead of this node's; null: it has not said. Milliseconds. */
  readonly clockLeadMs: number | null;
  readonly nextTryMs: number | null;
  readonly waitingRetries: number;
  /** Records that the peer refused permanently, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Records that the peer gave in snapshots and anti-entropy and that were left out here, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/** What came of asking a peer for its `GET /status`. */
export interface ProbeFigures {
  readonly reachable: boolean;
  readonly httpCode: number | null;
  readonly durationMs: number | null;
  /** Unix milliseconds. */
  readonly checkedAtMs: number;
}

/** Whether this node may say that a key is absent (protocol.md §10, "404 means absent"). */
export interface SurenessFigures {
  /** It may now: it has become sure, and was not cut off for too long. */
  readonly sure: boolean;
  /** Why it has become sure; null before. */
  readonly by: SureReason | null;
  /** Members whose word or records it needs first. */
  readonly waitsFor: readonly Wallet[];
}

/** What reads as present. */
export interface StoreTotals {
  readonly namespaces: number;
  readonly totalKeys: number;
  readonly totalBytes: number;
}

export interface StoreFigures extends StoreTotals {
  /** What all records held count for in `MAX_STORE_BYTES`. */
  readonly heldBytes: number;
  /** Records of peers that were refused because the store is full. */
  readonly refusedFull: number;
  /** Digest of all that is held; null while it would cost too much to say. */
  readonly rootDigest: string | null;
  /** Keys whose record came and could not be taken yet, for want of time or room. */
  readonly leftOut: number;
}
