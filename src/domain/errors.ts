/**
 * Errors that carry a code and typed facts; callers switch on the code. The HTTP room maps `ErrorCode` to the wire
 * (protocol.md §2), the jobs map `DependencyError` to a reason.
 */

/** The codes of the error table in protocol.md §2. */
export type ErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'payload_too_large'
  | 'rate_limited'
  | 'internal_error'
  | 'not_replicated'
  | 'insufficient_storage'
  | 'service_unavailable';

/** An answer to a caller other than success. The message goes on the wire: no secret, no path, no peer byte in it. */
export class RefusalError extends Error {
  readonly code: ErrorCode;
  /** Seconds for `Retry-After`, where the code has one. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, retryAfterSeconds?: number) {
    super(message);
    this.name = 'RefusalError';
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** What a node depends on. */
export type Dependency = 'chain' | 'enclave' | 'peer';

/** How a dependency failed: it can be worth another try (`timeout`, `unreachable`), or not (`refused`, `malformed`). */
export type DependencyFailure = 'timeout' | 'unreachable' | 'refused' | 'malformed' | 'too_large' | 'aborted';

/** A dependency that did not do its part. The message is ours; nothing that the dependency sent is in it. */
export class DependencyError extends Error {
  readonly dependency: Dependency;
  readonly failure: DependencyFailure;
  /** HTTP or JSON-RPC status where there was one. */
  readonly status: number | undefined;

  constructor(dependency: Dependency, failure: DependencyFailure, message: string, status?: number) {
    super(message);
    this.name = 'DependencyError';
    this.dependency = dependency;
    this.failure = failure;
    this.status = status;
  }
}

/** A rule of our own is broken. The process must stop before it serves a wrong key. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

/** Throws an InvariantError unless `holds`. */
export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new InvariantError(message);
}

/** One line about any thrown value, without a stack. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message.split('\n', 1)[0]!.slice(0, 200) : 'unknown failure';
}
