/** What this room needs from the rest of the node, and its settings. It never receives the whole node. */
import type { Authenticator } from '../auth/authenticator.ts';
import type { NonceBook } from '../auth/nonce-book.ts';
import type { Vault } from '../crypto/vault.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import type { ProbeFigures, ReplicationFigures, StoreFigures } from '../domain/figures.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Enclave, Identity, Log, PeerDirectory } from '../domain/ports.ts';
import type { ReadinessView } from '../domain/readiness.ts';
import type { DataModules } from './data.ts';

export interface HttpOptions {
  readonly kmsAppId: number;
  readonly kmsRegistry: Wallet;
  /** `MAX_REQUEST_BODY_BYTES`. */
  readonly maxRequestBodyBytes: number;
  /** `MAX_SYNC_PAYLOAD_BYTES`. */
  readonly maxSyncPayloadBytes: number;
  /** `MAX_KV_VALUE_SIZE_BYTES`. */
  readonly maxValueBytes: number;
  /** 0: off. */
  readonly rateLimitPerMinute: number;
  readonly nonceRateLimitPerMinute: number;
  /** `TRUSTED_PROXIES`. */
  readonly trustedProxies: readonly string[];
}

/** Peer messages: the inner body in, the inner answer out. */
export interface SyncHandler {
  requiresHmac(message: Record<string, unknown>): boolean;
  handle(sender: Member, message: Record<string, unknown>): Promise<object>;
}

export interface HttpModules extends DataModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly failures: Pick<FailureLog, 'note' | 'faults'>;
  readonly enclave: Enclave;
  readonly vault: Pick<Vault, 'deriveAppKey' | 'verifySyncHmac' | 'state' | 'sealValue' | 'openValue'>;
  readonly authenticator: Authenticator;
  readonly nonces: Pick<NonceBook, 'issue'>;
  readonly directory: PeerDirectory;
  readonly sync: SyncHandler;
  /** Null until the enclave has said who this node is. */
  readonly identity: () => Identity | null;
  /** The machine's state: the gate reads this and nothing else. */
  readonly readiness: () => ReadinessView;
  /** The node stops: new requests are refused. */
  readonly isStopping: () => boolean;
  readonly ownUrl: () => string;
  readonly secretFrom: () => Wallet | null;
  readonly probeOf: (wallet: Wallet) => ProbeFigures | null;
  readonly storeTotals: () => StoreFigures;
  /** How far each peer is with this node's own writes. */
  readonly peers: () => readonly ReplicationFigures[];
  /** A rule of our own is broken: the process stops. */
  readonly onBrokenInvariant: (error: Error) => void;
}
