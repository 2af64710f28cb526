/**
 * Errors that carry a code, typed facts and their cause; callers switch on the code. `src/http` maps `ErrorCode` to a status
 * (protocol.md §2), the jobs map `DependencyError` to a reason, and `failure-facts.ts` turns any error into a log line.
 */

/** The codes of the error table in protocol.md §2. */
export type ErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'internal_error'
  | 'not_replicated'
  | 'insufficient_storage'
  | 'service_unavailable';

/**
 * A failure that the code expects. Its message is our own sentence, safe for a log, `/status` and the wire. Anything else that is
 * thrown is a broken assumption (docs/decisions/0021).
 */
export abstract class ExpectedError extends Error {
  /** Callers switch on this code, and log lines show it. */
  abstract readonly code: string;
}

/**
 * The refusal that a caller gets instead of a result. Its message is sent to the caller, so it contains no secret, no path and no bytes
 * from a peer.
 */
export class RefusalError extends ExpectedError {
  readonly code: ErrorCode;
  /** Seconds for `Retry-After`, if the answer has that header. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, retryAfterSeconds?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RefusalError';
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** What a node depends on. */
export type Dependency = 'chain' | 'enclave' | 'peer';

/**
 * How a dependency failed. After `timeout` or `unreachable`, a retry may succeed. After `refused` or `malformed`, it may succeed only if
 * another backend of the dependency answers it.
 */
export type DependencyFailure = 'timeout' | 'unreachable' | 'refused' | 'malformed' | 'too_large' | 'aborted';

/** What is known about a failed call. */
export interface DependencyFacts {
  /** HTTP or JSON-RPC status, if there was one. */
  readonly status?: number | undefined;
  /** The call, such as `eth_blockNumber` or `sign`. */
  readonly call?: string | undefined;
  /** The server that was asked: `host:port`, without user name, password, path or query. */
  readonly endpoint?: string | undefined;
  /** How long the dependency asks callers to wait (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A call to a dependency failed. The message is ours and contains nothing that the dependency sent. */
export class DependencyError extends ExpectedError {
  readonly dependency: Dependency;
  readonly failure: DependencyFailure;
  readonly status: number | undefined;
  readonly call: string | undefined;
  readonly endpoint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(dependency: Dependency, failure: DependencyFailure, message: string, facts: DependencyFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'DependencyError';
    this.dependency = dependency;
    this.failure = failure;
    this.status = facts.status;
    this.call = facts.call;
    this.endpoint = facts.endpoint;
    this.retryAfterMs = facts.retryAfterMs;
  }

  get code(): string {
    return `${this.dependency}_${this.failure}`;
  }
}

/** One of our own rules is broken. The process must stop before it hands out a wrong key. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

/** Throws an InvariantError unless `holds` is true. */
export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new InvariantError(message);
}
