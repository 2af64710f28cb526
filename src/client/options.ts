/** What a client is made of, and the limits that hold when nothing else is said. All durations in milliseconds. */
import type { Membership } from '../domain/membership.ts';
import type { Clock, Enclave, Random, Transport } from '../domain/ports.ts';
import type { ProxySettings } from '../net/way-out.ts';

/** The app as its enclave sees it: its wallet signs, its P-384 key opens answers. An `Enclave` is one. */
export type ClientIdentity = Pick<Enclave, 'address' | 'publicKey' | 'sign' | 'encrypt' | 'decrypt'>;

/** Keys in this process instead of an enclave's, for development. */
export interface LocalKeys {
  /** secp256k1 key: 32 bytes, or their hex. */
  readonly privateKey: Uint8Array | string;
  /** P-384 scalar: 48 bytes, or their hex. Drawn afresh when absent. */
  readonly teeScalar?: Uint8Array | string;
  /** Generation of the platform, which names the envelope's info string. Default: capsule, which platforms run today. */
  readonly envelope?: 'enclaver' | 'capsule';
}

/** Reads who the nodes are. Throws DependencyError('chain', ..). */
export interface MembershipSource {
  readMembership(signal: AbortSignal): Promise<Pick<Membership, 'members'>>;
}

export interface KmsClientOptions {
  /** Address of NovaAppRegistry: `0x` and 40 hex digits. */
  readonly registry: string;
  /** App id of the KMS. Default: 49. */
  readonly appId?: number;
  /** JSON-RPC URL of the chain, or something else that knows the members. */
  readonly chain: { readonly rpcUrl: string } | { readonly source: MembershipSource };
  /** `odynUrl`: base URL of the enclave API of this app. */
  readonly identity: { readonly odynUrl: string } | LocalKeys | ClientIdentity;
  /** Strict mode, as the nodes' IN_ENCLAVE: https nodes only, none on loopback. Default: true. */
  readonly inEnclave?: boolean;
  /** Blocks behind the head at which members are read. Default: 6. */
  readonly confirmations?: number;
  /** The way out of the enclave. Default: direct. */
  readonly proxy?: ProxySettings;
  /** Over all tries of a call. Default: 30 s, and `ackTimeoutMs` more for a write with `acks`. */
  readonly timeoutMs?: number;
  /** One try with one node. Default: 10 s. */
  readonly attemptTimeoutMs?: number;
  /** Tries of a call, over all nodes. Default: 16. */
  readonly maxAttempts?: number;
  /** How long a list of nodes is used before it is read again. Default: 60 s. */
  readonly nodesTtlMs?: number;
}

/** Ports of the client; the system's own when absent. */
export interface KmsClientModules {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly transport?: Transport & { close?(): Promise<void> };
}

/** One call. */
export interface CallOptions {
  /** Ask this node alone: its wallet, or its URL as registered. */
  readonly node?: string;
  /** Over all tries. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export const DEFAULTS = {
  appId: 49,
  confirmations: 6,
  timeoutMs: 30_000,
  attemptTimeoutMs: 10_000,
  maxAttempts: 16,
  nodesTtlMs: 60_000,
} as const;

/** Reading the list of nodes. */
export const REGISTRY_TIMEOUT_MS = 15_000;
/** Least time between two readings of the list, also after a failed one. */
export const REGISTRY_PAUSE_MS = 5_000;
/** How long a node that failed is asked after the others, unless it named a time itself. */
export const FAILED_NODE_MS = 30_000;
/** Pause before the nodes are asked again when none of them named a time. */
export const ROUND_PAUSE_MS = 1_000;
/** Longest `Retry-After` that is believed. */
export const MAX_RETRY_AFTER_MS = 600_000;
