/**
 * Figures for operators (protocol.md §2, `/status` and `/nodes`; §10). Each room (folder of `src`) keeps its own figures, and `src/http`
 * shows them.
 */
import type { Wallet } from './ids.ts';
import type { SureReason } from './readiness.ts';

/** The outcome of reads of the chain. */
export interface ChainFigures {
  /** Age of the last good view; null before the first. */
  readonly viewAgeMs: number | null;
  /** Time of that view's block in Unix milliseconds; null before the first. */
  readonly viewBlockMs: number | null;
  /** When reads began to fail (Unix milliseconds), and why the last read failed. Null while reads succeed. */
  readonly failing: { readonly sinceMs: number; readonly why: string } | null;
  /** Whether the last good view is recent enough for a node to be ready; false before the first view. */
  readonly isFresh: boolean;
}

/** The outcome of calls to the enclave API. */
export interface EnclaveFigures {
  /** Why the API counts as failing (`node/enclave-watch.ts`); null if it does not. */
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
  /** How far the peer's clock is ahead of this node's clock; null if unknown. Milliseconds. */
  readonly clockLeadMs: number | null;
  readonly nextTryMs: number | null;
  readonly waitingRetries: number;
  /** Number of records that the peer refused permanently, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Number of records that this node received in the peer's snapshots or through anti-entropy, but left out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/** The outcome of a `GET /status` request to a peer. */
export interface ProbeFigures {
  readonly reachable: boolean;
  readonly httpCode: number | null;
  readonly durationMs: number | null;
  /** Unix milliseconds. */
  readonly checkedAtMs: number;
}

/** Whether this node may say that a key is absent (protocol.md §10, "404 means absent"). */
export interface SurenessFigures {
  /** True if the node has become sure and is not stale. */
  readonly sure: boolean;
  /** Why the node has become sure; null before that. */
  readonly by: SureReason | null;
  /** Members whose answer or records this node still needs. */
  readonly waitsFor: readonly Wallet[];
}

/** Totals of the records that are present: those that a read would find. */
export interface StoreTotals {
  readonly namespaces: number;
  readonly totalKeys: number;
  readonly totalBytes: number;
}

export interface StoreFigures extends StoreTotals {
  /** Bytes of all held records, as counted for `MAX_STORE_BYTES`. */
  readonly heldBytes: number;
  /** Number of records from peers that were refused because the store was full. */
  readonly refusedFull: number;
  /** Digest of all held records; null while it would cost too much to compute. */
  readonly rootDigest: string | null;
  /** Number of keys whose record arrived but was left out: its time was too far ahead, or the store was full. */
  readonly leftOut: number;
}
