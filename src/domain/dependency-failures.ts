/**
 * Sentences about a dependency that failed: which one, where and how, so that an operator can act. They appear in reasons, `/status` and
 * 503 answers. So they contain nothing that the dependency sent, no user name, password, path or query of its URL, and none of the words
 * that clients search for in errors (protocol.md §10, Words in errors).
 */
import { DeadlineError } from './deadline.ts';
import { endpointOf } from './endpoint.ts';
import { DependencyError, type Dependency, type DependencyFacts } from './errors.ts';
import { causeCode } from './failure-facts.ts';

/** One call to a dependency. */
export interface DependencyCall {
  readonly dependency: Dependency;
  /** `host:port` (`endpointOf`). */
  readonly endpoint: string;
  /** The operation, such as `eth_blockNumber`. */
  readonly call: string;
  /** The setting that holds the address of the dependency; absent if the address comes from the registry. */
  readonly setting?: string;
}

const SUBJECTS: Readonly<Record<Dependency, string>> = { chain: 'the chain RPC', enclave: 'the enclave API', peer: 'the peer' };

/** Words for the error codes that the operating system, TLS and the HTTP client use for a failed connection. */
const CONNECTION_WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'it does not accept the connection',
  UND_ERR_CONNECT_TIMEOUT: 'it does not accept the connection',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for a different name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted',
};

/** Maximum value of `Retry-After`; a larger value is lowered to it. Milliseconds. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** The dependency and its server in words, such as `the chain RPC at rpc.example:443`. */
export function nameOf({ dependency, endpoint }: Pick<DependencyCall, 'dependency' | 'endpoint'>): string {
  return `${SUBJECTS[dependency]} at ${endpoint}`;
}

function failed(call: DependencyCall, failure: DependencyError['failure'], how: string, facts: DependencyFacts): DependencyError {
  return new DependencyError(call.dependency, failure, `${nameOf(call)} ${how}`, { call: call.call, endpoint: call.endpoint, ...facts });
}

/**
 * The error for an HTTP status that means failure. 4xx and redirects become `refused`, all others `unreachable`.
 * @param location the target of a redirect
 */
export function statusFailure(call: DependencyCall, status: number, location?: string | null, retryAfterMs?: number): DependencyError {
  const facts = { status, retryAfterMs: retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) };
  if (status >= 300 && status < 400) {
    const target = location === undefined || location === null || !URL.canParse(location) ? '' : ` to ${endpointOf(location)}`;
    const remedy = call.setting === undefined ? '' : `: ${call.setting} must be the address that the redirect leads to`;
    return failed(call, 'refused', `answered ${status}, a redirect${target}${remedy}`, facts);
  }
  return failed(call, status >= 400 && status < 500 ? 'refused' : 'unreachable', `answered ${status}`, facts);
}

/** The error for an answer that cannot be used. @param how the rest of a sentence that begins with the name of the dependency */
export function malformedAnswer(call: DependencyCall, how: string, cause?: unknown): DependencyError {
  return failed(call, 'malformed', how, { cause });
}

export function tooLargeAnswer(call: DependencyCall, maxBytes: number): DependencyError {
  return failed(call, 'too_large', `gave an answer of more than ${maxBytes} bytes`, {});
}

/**
 * The error for a call that ended without an answer: it was cancelled, it timed out, or the connection failed.
 * @param isAborted whether the caller has cancelled the call
 */
export function noAnswer(call: DependencyCall, thrown: unknown, isAborted: boolean): DependencyError {
  if (thrown instanceof DependencyError) return thrown;
  if (isAborted) return failed(call, 'aborted', 'had not answered when the call was cancelled', { cause: thrown });
  if (thrown instanceof DeadlineError) {
    return failed(call, 'timeout', `gave no answer in ${secondsText(thrown.timeoutMs)}`, { cause: thrown });
  }
  return failed(call, 'unreachable', `cannot be reached${connectionWords(thrown)}`, { cause: thrown });
}

function connectionWords(thrown: unknown): string {
  // These errors are recognized by name, because undici may create an `HTTPParserError` without a code.
  if (thrown instanceof Error && (thrown.name === 'HTTPParserError' || thrown.name === 'NotHttpError')) return ': it does not speak HTTP';
  const code = causeCode(thrown);
  if (code === null) return '';
  const words = CONNECTION_WORDS[code];
  return words === undefined ? ` (${code})` : `: ${words} (${code})`;
}

/** A duration in words, such as `5 s` or `0.3 s`. */
export function secondsText(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
