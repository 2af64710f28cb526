/**
 * What the edges report for counting, as a port: only `observe` knows metrics, and a node without metrics counts nothing. No argument
 * contains an app, a key or a caller.
 */
import type { DependencyFailure } from './errors.ts';
import type { Enclave } from './ports.ts';
import type { MergeVerdict } from './records.ts';
import { ROUTE_METHODS, type Route } from './routes.ts';

/** How a call of a dependency ended. */
export type CallOutcome = 'ok' | DependencyFailure;

/** A request that ended, with or without an answer. */
export interface MeteredRequest {
  /** One of `METERED_ROUTES`; never a path. */
  readonly route: string;
  /** A method that the route takes, or `other`. */
  readonly method: string;
  /** Null: the connection ended before an answer. */
  readonly status: number | null;
  readonly durationMs: number;
}

/** The outcome of an own write at a peer. */
export type PushVerdict = { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly reason: string };

/** Each method is called once per event and must be cheap. */
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

/** The routes with the methods that each takes. A request for any other path counts under `none`. */
export const METERED_ROUTES: Readonly<Record<Route | 'none', readonly string[]>> = { ...ROUTE_METHODS, none: [] };
