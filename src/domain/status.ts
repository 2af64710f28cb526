/**
 * `GET /status` as this node answers it (protocol.md §2, §10): the one type of it. The server fills it; what the client and the
 * command line read of an answer is checked against its fields. Nodes in other languages send `node`, `cluster` and `data_store`
 * only, with fewer fields.
 */
import type { Wallet } from './ids.ts';
import type { FirstSnapshotState, ReadinessState, SureReason } from './readiness.ts';

export interface NodeStatus {
  readonly node: {
    /** Null until the enclave has said it, as is the key. */
    readonly tee_wallet: string | null;
    /** Bare hex of the DER. */
    readonly tee_pubkey: string | null;
    readonly node_url: string;
    readonly is_operator: boolean;
    readonly service_available: boolean;
    readonly master_secret: { readonly state: 'uninitialized' | 'generated' | 'synced'; readonly synced_from: Wallet | null };
    readonly master_secret_initialized: boolean;
  };
  readonly readiness: ReadinessStatus;
  readonly first_snapshot: FirstSnapshotState;
  /** May this node say that a key is absent? */
  readonly sureness: {
    readonly sure: boolean;
    /** Why it has become sure; null before. */
    readonly by: SureReason | null;
    /** Members whose word or records it needs first, as many as fit. One that is dead is to be removed in the registry. */
    readonly waits_for: readonly string[];
  };
  /** Broken assumptions since the start. */
  readonly faults: {
    readonly count: number;
    readonly last: { readonly at_ms: number; readonly where: string; readonly code: string } | null;
  };
  readonly cluster: {
    readonly kms_app_id: number;
    readonly registry_address: string;
    readonly total_instances: number;
    /** What the secret that serves hashes to; null when none does. */
    readonly master_secret_hash: string | null;
    readonly membership_block: number | null;
    readonly membership_age_ms: number | null;
    /** Of the last good view of the chain, by its block's time. */
    readonly view_age_ms: number | null;
    /** Reads of the chain that fail: since when, and why the last one did; null while they succeed. */
    readonly chain_failing: { readonly since_ms: number; readonly why: string } | null;
    /** Entries of the membership that were left out, as many as fit. */
    readonly dropped: readonly { readonly wallet: string; readonly why: string }[];
    readonly dropped_count: number;
  };
  readonly replication: {
    /** Those that are most behind, as many as fit. */
    readonly peers: readonly PeerStatus[];
    readonly total: number;
  };
  readonly data_store: {
    readonly namespaces: number;
    readonly total_keys: number;
    readonly total_bytes: number;
    /** What all records count for in `MAX_STORE_BYTES`. */
    readonly held_bytes: number;
    /** Records of peers that were refused because the store is full. */
    readonly refused_full: number;
    /** 32 hex digits, equal where nodes hold the same; null while it would cost too much to say. */
    readonly root: string | null;
    /** Keys whose record came and could not be taken yet, for want of time or room. */
    readonly left_out_keys: number;
  };
}

/** What is read of one of its parts: no field that the part does not have. */
export type FieldsOf<Part, Form> = Partial<Record<keyof Part, Form>>;

/** All times Unix milliseconds, all durations milliseconds. */
export interface ReadinessStatus {
  readonly state: ReadinessState;
  /** Null when ready. */
  readonly reason: string | null;
  readonly since_ms: number;
  readonly last_tick: { readonly started_at_ms: number; readonly duration_ms: number; readonly outcome: string } | null;
  /** Null while a node_tick runs. */
  readonly next_tick_in_ms: number | null;
  readonly ticks: { readonly run: number; readonly dropped: number };
  readonly sync_ticks: { readonly run: number };
}

/** How far a peer is with this node's own writes. All times Unix milliseconds. */
export interface PeerStatus {
  readonly wallet: string;
  readonly acknowledged_up_to: number;
  readonly behind_by: { readonly records: number; readonly bytes: number };
  readonly last_success_ms: number | null;
  readonly last_error: string | null;
  readonly last_error_ms: number | null;
  /** How far the peer's clock is ahead of this node's, by the `Date` of its answers. Milliseconds. */
  readonly clock_lead_ms: number | null;
  readonly next_try_ms: number | null;
  readonly waiting_retries: number;
  /** Records that the peer gave and that were left out here, by reason. */
  readonly left_out: Readonly<Record<string, number>>;
  /** Records that the peer refused permanently, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}
