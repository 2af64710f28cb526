/** The options of a client and their defaults. All durations are in milliseconds. */
import type { TeePubkey } from '../domain/ids.ts';
import type { Membership } from '../domain/membership.ts';
import type { Clock, Enclave, Random, SealedText, Transport } from '../domain/ports.ts';
import type { ProxySettings } from '../net/way-out.ts';

/** The app's identity: its wallet signs, and its P-384 key opens answers. Any `Enclave` can be used as an identity. */
export interface ClientIdentity extends Pick<Enclave, 'address' | 'publicKey' | 'sign' | 'decrypt'> {
  encrypt(plaintext: string, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText>;
}

/** The keys of an app without an enclave, for development. */
export interface LocalKeys {
  /** secp256k1 key: 32 bytes, or their hex. */
  readonly privateKey: Uint8Array | string;
  /** P-384 scalar: 48 bytes, or their hex. Generated when absent. */
  readonly teeScalar?: Uint8Array | string;
  /** Generation of the platform, which sets the envelope's info string. Default: capsule, which is in use today. */
  readonly envelope?: 'enclaver' | 'capsule';
}

/** A source from which the client reads the members of the KMS cluster. @throws DependencyError when the chain cannot be read */
export interface MembershipSource {
  readMembership(signal: AbortSignal): Promise<Pick<Membership, 'members'>>;
}

export interface KmsClientOptions {
  /** Address of NovaAppRegistry: `0x` and 40 hex digits. */
  readonly registry: string;
  /** App id of the KMS. Default: 49. */
  readonly appId?: number;
  /** JSON-RPC URL of the chain, or another source of the members. */
  readonly chain: { readonly rpcUrl: string } | { readonly source: MembershipSource };
  /** The app's identity, or `odynUrl`, the base URL of the app's enclave API. */
  readonly identity: { readonly odynUrl: string } | LocalKeys | ClientIdentity;
  /** Strict mode, like a node's `IN_ENCLAVE`: nodes must have https URLs that are not on loopback. Default: true. */
  readonly inEnclave?: boolean;
  /** Number of blocks between the head and the block at which the members are read. Default: 6. */
  readonly confirmations?: number;
  /** Proxy for connections out of the enclave. Default: no proxy. */
  readonly proxy?: ProxySettings;
  /** Timeout for all attempts of a call together. Default: 30 s, plus `ackTimeoutMs` for a write with `acks`. */
  readonly timeoutMs?: number;
  /** Timeout of one attempt with one node. Default: 10 s. */
  readonly attemptTimeoutMs?: number;
  /** Maximum number of attempts of one call, counted over all nodes. Default: 16. */
  readonly maxAttempts?: number;
  /** How long the client uses a list of nodes before it reads the list again. Default: 60 s. */
  readonly nodesTtlMs?: number;
}

/** The client's clock, randomness and transport. Default: those of the system. */
export interface KmsClientModules {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly transport?: Transport & { close?(): Promise<void> };
}

/** Options of one call. */
export interface CallOptions {
  /** The only node to ask: its wallet, or its URL as registered. */
  readonly node?: string;
  /** Timeout for all attempts together. */
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

/** Timeout for reading the list of nodes. */
export const REGISTRY_TIMEOUT_MS = 15_000;
/** How long a call waits for a read of the list when there is an old list to use instead. */
export const REGISTRY_HEAD_START_MS = 1_000;
/** Minimum time between two reads of the list, including failed reads. */
export const REGISTRY_PAUSE_MS = 5_000;
/** For this time after a failure, a node comes last in the order of the nodes. A `Retry-After` from the node replaces this time. */
export const FAILED_NODE_MS = 30_000;
/** Pause before a node that sent no `Retry-After` is asked again. */
export const ROUND_PAUSE_MS = 1_000;
/** Maximum `Retry-After` that the client honours. */
export const MAX_RETRY_AFTER_MS = 600_000;
