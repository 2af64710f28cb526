/** The one table from error codes to the wire (protocol.md §2). Handlers throw; this file answers. */
import { RefusalError, type ErrorCode } from '../domain/errors.ts';
import type { Reply } from './exchange.ts';

const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthorized: 403,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  rate_limited: 429,
  internal_error: 500,
  service_unavailable: 503,
  not_replicated: 504,
  insufficient_storage: 507,
};

/** Codes that always say when to come back. Seconds. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = { rate_limited: 1, service_unavailable: 1 };

/** The answer for anything thrown. An error that nobody foresaw is an `internal_error` that says no more. */
export function replyForError(error: unknown): Reply {
  const refusal = error instanceof RefusalError ? error : new RefusalError('internal_error', 'internal error');
  const { code, message } = refusal;
  const retryAfter = refusal.retryAfterSeconds ?? RETRY_AFTER_SECONDS[code];
  return {
    status: STATUS[code],
    headers: retryAfter === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) },
    body: { code, message },
  };
}
