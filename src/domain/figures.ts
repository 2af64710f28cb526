/** Figures for operators (protocol.md §2, `/status` and `/nodes`; §10): the rooms count, HTTP shows the figures. */
import type { Wallet } from './ids.ts';
import type { SureReason } from './readiness.ts';

/** The outcome of reads of the chain. */
export interface ChainFigures {
  /** Age of the last good view; null before the first. */
  readonly viewAgeMs: number | null;
  /** Time of that view's block in Unix milliseconds; null before the first. */
  readonly viewBlockMs: number | null;
  /** Since when reads fail (Unix milliseconds), and why the last one failed. Null while they succeed. */
  readonly failing: { readonly sinceMs: number; readonly why: string } | null;
  /** A ready node may serve by the last good view; false before the first. */
  readonly isFresh: boolean;
}

/** The outcome of calls of the enclave API. */
export interface EnclaveFigures {
  /** Why the API counts as failing; null while it answers. */
  readonly failing: string | null;
}

/** A peer's progress with this node's own writes (protocol.md §10). Times are Unix milliseconds, except `clockLeadMs`. */
export interface ReplicationFigures {
  readonly wallet: Wallet;
  /** The acknowledged sequence: a sequence number of this node. */
  readonly acknowledgedUpTo: number;
  readonly behindRecords: number;
  readonly behindBytes: number;
  readonly lastSuccessMs: number | null;
  readonly lastError: string | null;
  readonly lastErrorMs: number | null;
  /** How far the peer's clock is ahead of this node's; null: not known. Milliseconds. */
  readonly clockLeadMs: number | null;
  readonly nextTryMs: number | null;
  readonly waitingRetries: number;
  /** Records that the peer refused permanently, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Records from the peer's snapshots and anti-entropy that were left out here, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/** The outcome of asking a peer for `GET /status`. */
export interface ProbeFigures {
  readonly reachable: boolean;
  readonly httpCode: number | null;
  readonly durationMs: number | null;
  /** Unix milliseconds. */
  readonly checkedAtMs: number;
}

/** Whether this node may say that a key is absent (protocol.md §10, "404 means absent"). */
export interface SurenessFigures {
  /** True: the node has become sure and is not stale. */
  readonly sure: boolean;
  /** Why it has become sure; null before. */
  readonly by: SureReason | null;
  /** Members whose answer or records it still needs. */
  readonly waitsFor: readonly Wallet[];
}

/** Totals over the records that read as present. */
export interface StoreTotals {
  readonly namespaces: number;
  readonly totalKeys: number;
  readonly totalBytes: number;
}

export interface StoreFigures extends StoreTotals {
  /** How much all held records count towards `MAX_STORE_BYTES`. */
  readonly heldBytes: number;
  /** Records of peers that were refused because the store is full. */
  readonly refusedFull: number;
  /** Digest of all held records; null while it would cost too much to compute. */
  readonly rootDigest: string | null;
  /** Keys whose record arrived and was left out, for lack of time or room. */
  readonly leftOut: number;
}
