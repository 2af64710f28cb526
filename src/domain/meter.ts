/**
 * The port through which a node reports the events that its metrics count. Only `src/observe` contains metrics. A node without metrics
 * counts nothing. No argument contains an app, a key or a caller.
 */
import type { DependencyFailure } from './errors.ts';
import type { Enclave } from './ports.ts';
import type { MergeVerdict } from './records.ts';
import { ROUTE_METHODS, type Route } from './routes.ts';

/** How a call to a dependency ended. */
export type CallOutcome = 'ok' | DependencyFailure;

/** A request that ended, with or without an answer. */
export interface MeteredRequest {
  /** One of `METERED_ROUTES`, never the requested path. */
  readonly route: string;
  /** A method that the route accepts, or `other`. */
  readonly method: string;
  /** Null if the connection ended before an answer. */
  readonly status: number | null;
  readonly durationMs: number;
}

/** What a peer did with a write of this node. */
export type PushVerdict = { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly reason: string };

/** Each method is called once per event and must be cheap. */
export interface Meter {
  requestBegan(): void;
  requestEnded(request: MeteredRequest): void;
  /** One attempt of one call to the chain's RPC has ended. */
  rpcEnded(method: string, outcome: CallOutcome, durationMs: number): void;
  enclaveEnded(operation: keyof Enclave, outcome: CallOutcome, durationMs: number): void;
  /** This node merged, skipped or rejected a record that a peer sent. */
  recordJudged(verdict: MergeVerdict): void;
  /** A peer reported what it did with a write of this node. */
  recordPushed(verdict: PushVerdict): void;
  /** The node has found a broken assumption. @param where as in `FailureLog.note` */
  faulted(where: string): void;
}

/** The routes, each with the methods that it accepts. A request for any other path is counted under `none`. */
export const METERED_ROUTES: Readonly<Record<Route | 'none', readonly string[]>> = { ...ROUTE_METHODS, none: [] };
