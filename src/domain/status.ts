/**
 * The answer of this node to `GET /status` (protocol.md §2, §10). Only this file defines the type of the answer. The server fills in all
 * fields. The client and the command line use the type to check the fields that they read. Nodes that are implemented in other languages
 * send only `node`, `cluster` and `data_store`, with fewer fields.
 */
import type { Wallet } from './ids.ts';
import type { FirstSnapshotState, ReadinessState, SecretState, SureReason } from './readiness.ts';

export interface NodeStatus {
  readonly node: {
    /** Like `tee_pubkey`, null until the enclave has answered. */
    readonly tee_wallet: string | null;
    /** Hex of the DER, without `0x`. */
    readonly tee_pubkey: string | null;
    readonly node_url: string;
    readonly is_operator: boolean;
    readonly service_available: boolean;
    readonly master_secret: { readonly state: SecretState; readonly synced_from: Wallet | null };
    readonly master_secret_initialized: boolean;
  };
  readonly readiness: ReadinessStatus;
  readonly first_snapshot: FirstSnapshotState;
  /** Whether this node may say that a key is absent. */
  readonly sureness: {
    readonly sure: boolean;
    /** Why the node has become sure; null before that. */
    readonly by: SureReason | null;
    /**
     * Members whose answer or records this node still needs, as many as fit into the answer. To end the wait for a dead member, stop its
     * instance in the registry.
     */
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
    /** The hash of the confirmed secret; null if no secret is confirmed. */
    readonly master_secret_hash: string | null;
    readonly membership_block: number | null;
    readonly membership_age_ms: number | null;
    /** Age of the last good view of the chain (`machines/view-age.ts`). */
    readonly view_age_ms: number | null;
    /** When reads of the chain began to fail, and why the last read failed; null while reads succeed. */
    readonly chain_failing: { readonly since_ms: number; readonly why: string } | null;
    /** Entries of the membership that were dropped, as many as fit into the answer. */
    readonly dropped: readonly { readonly wallet: string; readonly why: string }[];
    readonly dropped_count: number;
  };
  readonly replication: {
    /** The peers that are furthest behind, as many as fit into the answer. */
    readonly peers: readonly PeerStatus[];
    readonly total: number;
  };
  readonly data_store: {
    readonly namespaces: number;
    readonly total_keys: number;
    readonly total_bytes: number;
    /** Bytes of all held records, as counted for `MAX_STORE_BYTES`. */
    readonly held_bytes: number;
    /** Number of records from peers that were refused because the store was full. */
    readonly refused_full: number;
    /** 32 hex digits, equal on nodes that hold the same records; null while it would cost too much to compute. */
    readonly root: string | null;
    /** Number of keys whose record arrived but was left out: its time was too far ahead, or the store was full. */
    readonly left_out_keys: number;
  };
}

/** The fields that a program reads from one part of a status, each with the check of its value. Only fields of that part are allowed. */
export type FieldsOf<Part, Form> = Partial<Record<keyof Part, Form>>;

/** All times are Unix milliseconds, all durations are milliseconds. */
export interface ReadinessStatus {
  readonly state: ReadinessState;
  /** Null when the node is ready. */
  readonly reason: string | null;
  readonly since_ms: number;
  readonly last_tick: { readonly started_at_ms: number; readonly duration_ms: number; readonly outcome: string } | null;
  /** Null while a node_tick is running. */
  readonly next_tick_in_ms: number | null;
  readonly ticks: { readonly run: number; readonly dropped: number };
  readonly sync_ticks: { readonly run: number };
}

/** A peer's progress with this node's own writes. All times are Unix milliseconds, except `clock_lead_ms`. */
export interface PeerStatus {
  readonly wallet: string;
  readonly acknowledged_up_to: number;
  readonly behind_by: { readonly records: number; readonly bytes: number };
  readonly last_success_ms: number | null;
  readonly last_error: string | null;
  readonly last_error_ms: number | null;
  /** How far the peer's clock is ahead of this node's clock, according to the `Date` header of its answers. Milliseconds. */
  readonly clock_lead_ms: number | null;
  readonly next_try_ms: number | null;
  readonly waiting_retries: number;
  /** Number of records from the peer that this node left out, by reason. */
  readonly left_out: Readonly<Record<string, number>>;
  /** Number of records that the peer refused permanently, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}
