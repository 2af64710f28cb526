/**
 * What the edges report for counting, as a port: no room but `observe` knows of metrics, and a node without metrics counts nothing. Nothing
 * here takes an app, a key or a caller.
 */
import type { DependencyFailure } from './errors.ts';
import type { Enclave } from './ports.ts';
import type { MergeVerdict } from './records.ts';

/** How a call of a dependency ended. */
export type CallOutcome = 'ok' | DependencyFailure;

/** A request that was answered or broke off. */
export interface MeteredRequest {
  /** One of `METERED_ROUTES`; never a path. */
  readonly route: string;
  /** One that the route takes, or `other`. */
  readonly method: string;
  /** Null: the connection ended before an answer. */
  readonly status: number | null;
  readonly durationMs: number;
}

/** The outcome of an own write at a peer. */
export type PushVerdict = { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly reason: string };

/** Each is called once for each thing that happened, and must be cheap. */
export interface Meter {
  requestBegan(): void;
  requestEnded(request: MeteredRequest): void;
  /** One try of one call of the chain's RPC. */
  rpcEnded(method: string, outcome: CallOutcome, durationMs: number): void;
  enclaveEnded(operation: keyof Enclave, outcome: CallOutcome, durationMs: number): void;
  /** A record that a peer sent was judged. */
  recordJudged(verdict: MergeVerdict): void;
  /** A peer reported the outcome of an own write. */
  recordPushed(verdict: PushVerdict): void;
  /** A broken assumption was counted. @param where as in `FailureLog.note` */
  faulted(where: string): void;
}

/** Routes by their patterns, with the methods that they take. What is asked for elsewhere is of the route `none`. */
export const METERED_ROUTES = {
  '/': ['GET'],
  '/health': ['GET'],
  '/livez': ['GET'],
  '/readyz': ['GET'],
  '/readyz/<check>': ['GET'],
  '/metrics': ['GET'],
  '/audit': ['GET'],
  '/openapi.json': ['GET'],
  '/.well-known/attestation': ['POST'],
  '/status': ['GET'],
  '/nodes': ['GET'],
  '/nonce': ['GET'],
  '/kms/derive': ['POST'],
  '/kms/data': ['GET', 'PUT', 'DELETE'],
  '/kms/data/<key>': ['GET'],
  '/sync': ['POST'],
  none: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;
