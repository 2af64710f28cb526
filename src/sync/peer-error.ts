/** How an exchange with a peer can fail. The error's message is this node's own text and contains nothing that the peer sent. */
import { ExpectedError } from '../domain/errors.ts';

export type PeerFailure =
  /** No connection, or the connection was cut. */
  | 'unreachable'
  | 'timeout'
  | 'aborted'
  | 'too_large'
  /** The peer answered with an HTTP status other than 200, which is in `status`. */
  | 'refused'
  /** The peer sent no usable nonce. */
  | 'bad_nonce'
  | 'bad_signature'
  | 'not_an_envelope'
  | 'does_not_open'
  | 'bad_answer'
  | 'wrong_echo';

/** Failures that prove that the peer sent a wrong answer. Any other failure may have another cause. */
const PROVEN_WRONG: ReadonlySet<PeerFailure> = new Set(['bad_signature', 'not_an_envelope', 'does_not_open', 'bad_answer', 'wrong_echo']);

export class PeerError extends ExpectedError {
  readonly failure: PeerFailure;
  readonly status: number | undefined;
  /** How long the peer asked this node to wait. Milliseconds. */
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
