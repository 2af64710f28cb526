/**
 * What a call of the client can end in. Callers switch on `code`; the sentences are the client's own and hold nothing that
 * a node sent.
 */
import type { Wallet } from '../domain/ids.ts';

export type KmsClientErrorCode =
  /** The arguments can never be accepted; nothing was sent. */
  | 'invalid_argument'
  /** `close()` was called. */
  | 'closed'
  /** The caller's signal was aborted. */
  | 'aborted'
  /** The registry lists no usable node, or not the one that was named. */
  | 'no_nodes'
  /** The registry cannot be read, and never could before. */
  | 'registry_unavailable'
  /** The own enclave does not sign, encrypt or decrypt. */
  | 'identity_unavailable'
  /** The time limit over all tries passed. */
  | 'timeout'
  /** No node answered in the tries and the time there were: unready, unreachable or failing. */
  | 'unavailable'
  /** The request itself was refused: see `status` and `serverCode`. Two nodes said so, or there was no other to ask. */
  | 'refused'
  /** Every node asked answered without its wallet's signature over this request. */
  | 'bad_answer_signature'
  /** Every node asked answered with something else than the answer. */
  | 'bad_answer';

/** How one try with one node failed. */
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
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined;
}

export interface KmsErrorFacts {
  readonly status?: number | undefined;
  readonly serverCode?: string | undefined;
  readonly proven?: boolean;
  /** The tries that failed before, in order. */
  readonly attempts?: readonly KmsAttempt[];
}

export class KmsClientError extends Error {
  readonly code: KmsClientErrorCode;
  /** HTTP status; with `refused` only. */
  readonly status: number | undefined;
  /** The node's error code, such as `forbidden`; with `refused` only. */
  readonly serverCode: string | undefined;
  /** With `refused` only: the node's enclave says so about this very request, not someone on the way. */
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

/** One node did not give the answer, and another may. Never leaves the client. */
export class AttemptError extends Error {
  readonly failure: AttemptFailure;
  readonly status: number | undefined;
  /** What the node asked to wait, where it did. Milliseconds. */
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
