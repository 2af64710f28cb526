/** The errors of a client call. Callers switch on `code`. The messages come from the client and contain nothing that a node sent. */
import type { Wallet } from '../domain/ids.ts';

export type KmsClientErrorCode =
  /** The arguments can never be accepted; nothing was sent. */
  | 'invalid_argument'
  /** `close()` was called. */
  | 'closed'
  /** The caller's signal was aborted. */
  | 'aborted'
  /** The registry lists no usable node, or does not list the node that the caller specified. */
  | 'no_nodes'
  /** The registry cannot be read now, and no earlier read succeeded. */
  | 'registry_unavailable'
  /** The app's own enclave failed to sign, encrypt or decrypt. */
  | 'identity_unavailable'
  /** The timeout for all attempts together has passed. */
  | 'timeout'
  /** No node answered within the allowed attempts and time: all were unready, unreachable or failing. */
  | 'unavailable'
  /** The request was refused (`status`, `serverCode`): two nodes agreed, no other node was left, or one refusal is final (`FailOver`). */
  | 'refused'
  /** No node signed its answer to this request with its registered wallet. */
  | 'bad_answer_signature'
  /** In every attempt, the answer was wrong or malformed, or nothing could be encrypted to the registered key of the node. */
  | 'bad_answer';

/** How one attempt with one node failed. */
export type AttemptFailure =
  | 'unready'
  | 'rate_limited'
  | 'server_error'
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'bad_key'
  | 'stale_registration'
  | 'bad_answer_signature'
  | 'bad_answer';

export interface KmsAttempt {
  readonly node: Wallet;
  readonly url: string;
  readonly failure: AttemptFailure;
  /** HTTP status; undefined when no answer arrived. */
  readonly status: number | undefined;
}

export interface KmsErrorFacts {
  readonly status?: number | undefined;
  readonly serverCode?: string | undefined;
  readonly proven?: boolean;
  /** The failed attempts, in order. */
  readonly attempts?: readonly KmsAttempt[];
}

export class KmsClientError extends Error {
  readonly code: KmsClientErrorCode;
  /** HTTP status, only with `refused`. */
  readonly status: number | undefined;
  /** The node's error code, such as `forbidden`, only with `refused`. */
  readonly serverCode: string | undefined;
  /** Only with `refused`. True: the node's enclave sealed the refusal for this request, so no one else can have forged it. */
  readonly proven: boolean;
  readonly attempts: readonly KmsAttempt[];

  constructor(code: KmsClientErrorCode, message: string, facts: KmsErrorFacts = {}) {
    super(message);
    this.name = 'KmsClientError';
    this.code = code;
    this.status = facts.status;
    this.serverCode = facts.serverCode;
    this.proven = facts.proven ?? false;
    this.attempts = facts.attempts ?? [];
  }
}

/** One node failed to answer, and another node may succeed. The client never passes this error to its caller. */
export class AttemptError extends Error {
  readonly failure: AttemptFailure;
  readonly status: number | undefined;
  /** How long the node asked the client to wait, if it did. Milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    failure: AttemptFailure,
    facts: { readonly status?: number | undefined; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(`the node did not answer: ${failure}`);
    this.name = 'AttemptError';
    this.failure = failure;
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
  }
}
