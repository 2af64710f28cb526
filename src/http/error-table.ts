/** The only table that maps errors to answers (protocol.md §2). All other files throw. An unexpected error becomes `internal_error`. */
import { DeadlineError } from '../domain/deadline.ts';
import { DependencyError, RefusalError, type Dependency, type ErrorCode } from '../domain/errors.ts';

export interface ErrorAnswer {
  readonly status: number;
  /** Whole seconds for `Retry-After`; null if the answer has no such header. */
  readonly retryAfterSeconds: number | null;
  readonly body: { readonly code: ErrorCode; readonly message: string };
}

const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthorized: 403,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  internal_error: 500,
  service_unavailable: 503,
  not_replicated: 504,
  insufficient_storage: 507,
};

/** Codes whose answer always has `Retry-After`. Seconds. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = { rate_limited: 1, service_unavailable: 1 };

/** `Retry-After` when a dependency fails, which is the node's failure and not the caller's. Seconds. */
const DEPENDENCY_RETRY_SECONDS: Readonly<Record<Dependency, number>> = { chain: 5, enclave: 2, peer: 2 };

export function errorAnswer(error: unknown): ErrorAnswer {
  const { code, message, retryAfterSeconds } = refusalFor(error);
  const retryAfter = retryAfterSeconds ?? RETRY_AFTER_SECONDS[code];
  return {
    status: STATUS[code],
    retryAfterSeconds: retryAfter === undefined ? null : Math.max(1, Math.ceil(retryAfter)),
    body: { code, message },
  };
}

function refusalFor(error: unknown): RefusalError {
  if (error instanceof RefusalError) return error;
  if (error instanceof DependencyError) {
    // Requests read the chain only to authorize an app.
    const message = error.dependency === 'chain' ? `the app registry cannot be read: ${error.message}` : error.message;
    return new RefusalError('service_unavailable', message, DEPENDENCY_RETRY_SECONDS[error.dependency]);
  }
  if (error instanceof DeadlineError) return new RefusalError('service_unavailable', error.message);
  return new RefusalError('internal_error', 'internal error');
}
