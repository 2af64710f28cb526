/**
 * The other side of a conversation between nodes: a member behind the Transport port, with an emulated enclave. The test may change every
 * answer. The member keeps the messages that it received.
 */
import { responseMessage } from '../../src/crypto/messages.ts';
import { parseEnvelope, toWireEnvelope } from '../../src/domain/envelope.ts';
import { DependencyError } from '../../src/domain/errors.ts';
import type { Member } from '../../src/domain/membership.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../src/domain/ports.ts';
import { inProcessEnclave } from './in-process-enclave.ts';
import { memberOf } from './members.ts';
import { SeededRandom } from './seeded-random.ts';

export const PEER_NONCE = Buffer.from('nonce of the peer').toString('base64');

export interface SyncRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly inner: Record<string, unknown>;
  readonly request: TransportRequest;
}

export interface PeerBehaviour {
  /** The answer to `GET /nonce`. */
  nonce?: (request: TransportRequest) => Promise<TransportAnswer> | TransportAnswer;
  /** Returns fields for the inner answer, or throws. A `status` among the fields replaces the default `ok`. */
  answer?: (request: SyncRequest) => unknown;
  /** Changes the finished answer. */
  bend?: (answer: TransportAnswer, request: SyncRequest) => TransportAnswer | Promise<TransportAnswer>;
  /** Whether the member repeats `request_id`, as current nodes do. */
  echoes?: boolean;
}

export function answerOf(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): TransportAnswer {
  return { status, headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) };
}

/** Never answers, and rejects when the signal aborts, as the real transport does. */
export function never(request: TransportRequest): Promise<TransportAnswer> {
  const { promise, reject } = Promise.withResolvers<TransportAnswer>();
  request.signal?.addEventListener('abort', () => reject(new DependencyError('peer', 'aborted', 'the request was aborted')));
  return promise;
}

export class PeerSide {
  readonly enclave: ReturnType<typeof inProcessEnclave>;
  readonly member: Member;
  readonly behaviour: PeerBehaviour;
  readonly nonceRequests: TransportRequest[] = [];
  readonly syncRequests: SyncRequest[] = [];

  constructor(name: string, behaviour: PeerBehaviour = {}) {
    const clock = { nowMs: () => 0 };
    this.enclave = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom(name), clock });
    const { wallet, teePubkey } = this.enclave.emulated;
    this.member = memberOf(wallet, teePubkey, `https://${name}.test`);
    this.behaviour = behaviour;
  }

  /** The inner bodies that the member received. */
  get messages(): readonly Record<string, unknown>[] {
    return this.syncRequests.map(({ inner }) => inner);
  }

  async serve(request: TransportRequest): Promise<TransportAnswer> {
    if (request.url.endsWith('/nonce')) {
      this.nonceRequests.push(request);
      return this.behaviour.nonce?.(request) ?? answerOf(200, { nonce: PEER_NONCE });
    }
    const sealed = parseEnvelope(JSON.parse(request.body ?? ''))!;
    const inner = JSON.parse(await this.enclave.decrypt(sealed)) as Record<string, unknown>;
    const received: SyncRequest = { headers: request.headers ?? {}, body: request.body ?? '', inner, request };
    this.syncRequests.push(received);
    const own = await this.behaviour.answer?.(received);
    const echo = this.behaviour.echoes === false ? {} : { request_id: inner['request_id'] };
    const answer = await this.sealedAnswer(received, { status: 'ok', ...echo, ...(own as object | undefined) });
    return this.behaviour.bend?.(answer, received) ?? answer;
  }

  /** An answer with this inner text, sealed to the sender. The answer's signature covers the sender's signature. */
  async sealedAnswer({ headers, body }: SyncRequest, inner: unknown): Promise<TransportAnswer> {
    const sender = parseEnvelope(JSON.parse(body))!.senderPubkey;
    const text = typeof inner === 'string' ? inner : JSON.stringify(inner);
    const signature = await this.enclave.sign(responseMessage(headers['x-kms-signature']!, this.member.wallet));
    return answerOf(200, toWireEnvelope(await this.enclave.encrypt(text, sender)), { 'x-kms-peer-signature': signature });
  }
}

/** A transport that reaches only these peers. */
export function transportTo(peers: readonly PeerSide[]): Transport {
  return {
    async request(request) {
      const peer = peers.find(({ member }) => request.url.startsWith(`${member.url}/`));
      if (peer === undefined) throw new DependencyError('peer', 'unreachable', 'the peer cannot be reached');
      if (request.signal?.aborted === true) throw new DependencyError('peer', 'aborted', 'the request was aborted');
      const answer = await peer.serve(request);
      if (answer.body.length > request.maxAnswerBytes) throw new DependencyError('peer', 'too_large', 'the answer is too long');
      return answer;
    },
  };
}
