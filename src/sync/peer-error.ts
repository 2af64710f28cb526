/** How a conversation with a peer can fail. The sentence is ours; nothing that the peer sent is in it. */
import { ExpectedError } from '../domain/errors.ts';

export type PeerFailure =
  /** No connection, or it was cut. */
  | 'unreachable'
  | 'timeout'
  | 'aborted'
  | 'too_large'
  /** An HTTP status other than 200; `status` says which. */
  | 'refused'
  /** The peer gave no usable nonce. */
  | 'bad_nonce'
  | 'bad_signature'
  | 'not_an_envelope'
  | 'does_not_open'
  | 'bad_answer'
  | 'wrong_echo';

/** Failures that prove a peer wrong, not merely away. */
const PROVEN_WRONG: ReadonlySet<PeerFailure> = new Set(['bad_signature', 'not_an_envelope', 'does_not_open', 'bad_answer', 'wrong_echo']);

export class PeerError extends ExpectedError {
  readonly failure: PeerFailure;
  readonly status: number | undefined;
  /** Of a 429 or 503. Milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: PeerFailure, message: string, status?: number, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PeerError';
    this.failure = failure;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  get code(): string {
    return `peer_${this.failure}`;
  }

  get provesWrong(): boolean {
    return PROVEN_WRONG.has(this.failure);
  }
}
