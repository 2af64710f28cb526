/**
 * One authenticated exchange with a member (protocol.md §3, §5, §10): nonce, proof, envelope, HMAC, and every check of the answer before
 * any part of it is used. The answer's signature does not cover its body; the envelope authenticates the body. So both are checked: the
 * peer's wallet must have signed the answer, and the envelope's sender key must be the peer's registered teePubkey.
 */
import { canonicalPieces } from '../crypto/canonical-json.ts';
import { parseCuttingHex } from '../crypto/cut-hex.ts';
import { isJsonObject, parseJsonOrNull } from '../crypto/json.ts';
import { peerAuthMessage, readNonce, responseMessage } from '../crypto/messages.ts';
import { recoverEip191 } from '../crypto/signature.ts';
import type { Vault } from '../crypto/vault.ts';
import { clockLeadMs, clockLeadWords } from '../domain/clock-lead.ts';
import { sleep } from '../domain/deadline.ts';
import { isRegisteredSender, parseEnvelope, toWireEnvelope } from '../domain/envelope.ts';
import { DependencyError } from '../domain/errors.ts';
import type { StoreId, TeePubkey } from '../domain/ids.ts';
import { ENCLAVE_BODY_BYTES, PEER_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import { memberEndpoint, type Member } from '../domain/membership.ts';
import type { Clock, Enclave, Identity, Random, Transport, TransportAnswer, TransportRequest } from '../domain/ports.ts';
import { readRetryAfterMs } from '../domain/retry-after.ts';
import { answerFrame } from './messages.ts';
import type { PeerBook } from './peer-book.ts';
import { PeerError } from './peer-error.ts';

const REQUEST_ID_BYTES = 16;
/** Maximum `Retry-After` that this node obeys. Milliseconds. */
const MAX_RETRY_AFTER_MS = 300_000;

export interface ConversationModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly enclave: Enclave;
  readonly vault: Pick<Vault, 'hasSyncKey' | 'syncHmac'>;
  readonly book: PeerBook;
  readonly identity: () => Identity | null;
  readonly storeId: () => StoreId;
  /** Whether the current membership has a member with this wallet and teePubkey. */
  readonly isMember: (member: Member) => boolean;
  /** Called with each answer. `leadMs`: how far the peer's clock is ahead; null if the answer has no usable date. Milliseconds. */
  readonly onClock: (member: Member, leadMs: number | null) => void;
  /** Called with each good answer. `storeId`: the peer's store_id; undefined if the answer contains none. */
  readonly onAnswer: (member: Member, storeId: string | undefined) => void;
}

export interface ExchangeOptions {
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly signal: AbortSignal;
}

export class PeerConversation {
  readonly #modules: ConversationModules;

  constructor(modules: ConversationModules) {
    this.#modules = modules;
  }

  /**
   * Sends one message and returns the checked inner answer. If the peer sent a wrong answer, the book records it.
   * @throws PeerError, DependencyError
   */
  async exchange(member: Member, message: { readonly type: string } & Record<string, unknown>, options: ExchangeOptions) {
    const { book, isMember } = this.#modules;
    // A comparison or a snapshot takes many exchanges. The peer may leave the registry in between.
    if (!isMember(member)) throw new PeerError('aborted', 'the peer is no longer a member');
    try {
      const answer = await this.#converse(member, message, options);
      book.noteAnswered(member);
      return answer;
    } catch (error) {
      if (error instanceof PeerError && error.provesWrong) book.noteWrong(member);
      if (error instanceof PeerError && error.failure === 'timeout') book.noteSilent(member);
      throw error;
    }
  }

  /** `older`: the peer has answered, but without a request id. */
  kindOf(member: Member): 'unknown' | 'current' | 'older' {
    const { echoes, answered } = this.#modules.book.stateOf(member);
    if (echoes) return 'current';
    return answered ? 'older' : 'unknown';
  }

  async #converse(
    member: Member,
    message: { readonly type: string } & Record<string, unknown>,
    options: ExchangeOptions,
  ): Promise<Record<string, unknown>> {
    const given = this.#modules.book.takeNonce(member);
    if (given === null) return this.#send(member, message, await this.#fetchNonce(member, options.signal), options);
    try {
      return await this.#send(member, message, given, options);
    } catch (error) {
      // The peer may have restarted and forgotten the nonce that it sent.
      if (!(error instanceof PeerError && error.failure === 'refused' && error.status === 403)) throw error;
      return this.#send(member, message, await this.#fetchNonce(member, options.signal), options);
    }
  }

  async #fetchNonce(member: Member, signal: AbortSignal): Promise<string> {
    const { book, clock } = this.#modules;
    const waitMs = book.reserveNonceRequest(member);
    if (waitMs > PEER_TIMEOUT_MS.nonce) {
      // A peer must not decide how long this node waits. So this exchange fails, and the node asks other peers.
      book.releaseNonceRequest(member);
      throw new PeerError('refused', 'the peer has asked this node to wait', undefined, waitMs);
    }
    try {
      if (waitMs > 0) await sleep(clock, waitMs, signal);
    } catch (error) {
      book.releaseNonceRequest(member);
      throw error;
    }
    const answer = await this.#request(member, {
      method: 'GET',
      url: memberEndpoint(member.url, '/nonce'),
      maxAnswerBytes: SMALL_ANSWER_BYTES,
      timeoutMs: PEER_TIMEOUT_MS.nonce,
      signal,
    });
    const body = parseJsonOrNull(answer.body);
    const nonce = isJsonObject(body) ? readNonce(body['nonce']) : null;
    if (nonce === null) throw new PeerError('bad_nonce', 'the peer sent no usable nonce');
    return nonce;
  }

  async #send(
    member: Member,
    message: { readonly type: string } & Record<string, unknown>,
    nonce: string,
    options: ExchangeOptions,
  ): Promise<Record<string, unknown>> {
    const { clock, enclave, vault, random, identity: whoAmI } = this.#modules;
    const identity = whoAmI();
    if (identity === null) throw new PeerError('aborted', 'the enclave has not reported the identity of this node');
    if (member.teePubkey === '') throw new PeerError('not_an_envelope', 'the peer has no registered teePubkey');
    const requestId = Buffer.from(random.bytes(REQUEST_ID_BYTES)).toString('hex');
    const inner = { ...message, sender_wallet: identity.wallet, store_id: this.#modules.storeId(), request_id: requestId };
    const timestamp = Math.floor(clock.nowMs() / 1000);
    const { signal } = options;
    const [signature, sealed] = await Promise.all([
      enclave.sign(peerAuthMessage(nonce, member.wallet, timestamp), signal),
      enclave.encrypt(JSON.stringify(inner), member.teePubkey, signal),
    ]);
    const envelope = toWireEnvelope(sealed);
    const withHmac = message.type !== 'master_secret_request' && vault.hasSyncKey();
    const answer = await this.#request(member, {
      method: 'POST',
      url: memberEndpoint(member.url, '/sync'),
      headers: {
        'content-type': 'application/json',
        'x-kms-signature': signature,
        'x-kms-wallet': identity.wallet,
        'x-kms-timestamp': String(timestamp),
        'x-kms-nonce': nonce,
        ...(withHmac ? { 'x-sync-signature': vault.syncHmac(canonicalPieces(envelope)) } : {}),
      },
      body: JSON.stringify(envelope),
      // The enclave does not decrypt answers that are longer than `ENCLAVE_BODY_BYTES`.
      maxAnswerBytes: Math.min(options.maxAnswerBytes, ENCLAVE_BODY_BYTES),
      timeoutMs: options.timeoutMs,
      signal,
    });
    return this.#openAnswer(member, member.teePubkey, signature, requestId, answer, signal);
  }

  async #openAnswer(
    member: Member,
    teePubkey: TeePubkey,
    signature: string,
    requestId: string,
    answer: TransportAnswer,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const signer = recoverEip191(responseMessage(signature, member.wallet), answer.headers['x-kms-peer-signature'] ?? '');
    if (signer !== member.wallet) throw new PeerError('bad_signature', "the answer is not signed by the peer's wallet");
    const sealed = parseEnvelope(parseCuttingHex(answer.body, 'encrypted_data', parseJsonOrNull));
    if (sealed === null || !isRegisteredSender(sealed, teePubkey)) {
      throw new PeerError('not_an_envelope', "the answer is not an envelope under the peer's registered teePubkey");
    }
    const inner = parseJsonOrNull(await this.#open(sealed, signal));
    const frame = answerFrame.safeParse(inner);
    if (!frame.success) throw new PeerError('bad_answer', 'the decrypted answer is malformed');
    this.#noteFrame(member, requestId, frame.data);
    return inner as Record<string, unknown>;
  }

  /**
   * If this node's enclave answers 400 or 413, the peer's envelope is at fault. Any other failure of the enclave proves nothing about the
   * peer.
   */
  async #open(sealed: Parameters<Enclave['decrypt']>[0], signal: AbortSignal): Promise<string> {
    try {
      return await this.#modules.enclave.decrypt(sealed, signal);
    } catch (error) {
      if (!(error instanceof DependencyError && error.failure === 'refused')) throw error;
      if (error.status === 400) throw new PeerError('does_not_open', 'the answer does not decrypt');
      if (error.status === 413) throw new PeerError('too_large', 'the answer is too large for the enclave');
      throw error;
    }
  }

  /** Refuses an answer with a different request id. An answer without a request id is refused only if the peer is known to echo ids. */
  #noteFrame(member: Member, requestId: string, frame: { store_id?: string | undefined; request_id?: string | undefined; next_nonce?: string | undefined }): void {
    const { book, clock } = this.#modules;
    const state = book.stateOf(member);
    if (frame.request_id === undefined ? state.echoes : frame.request_id !== requestId) {
      throw new PeerError('wrong_echo', 'the answer belongs to a different request');
    }
    state.answered = true;
    if (frame.request_id !== undefined) state.echoes = true;
    if (frame.store_id !== undefined) state.storeId = frame.store_id;
    this.#modules.onAnswer(member, frame.store_id);
    const next = readNonce(frame.next_nonce);
    if (next !== null) state.nextNonce = { text: next, givenAtMs: clock.monotonicMs() };
  }

  async #request(member: Member, request: TransportRequest): Promise<TransportAnswer> {
    const { transport, book, clock } = this.#modules;
    let answer: TransportAnswer;
    try {
      answer = await transport.request(request);
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      const { failure } = error;
      const known = failure === 'timeout' || failure === 'aborted' || failure === 'too_large' ? failure : 'unreachable';
      throw new PeerError(known, error.message, undefined, undefined, { cause: error });
    }
    const leadMs = clockLeadMs(answer.headers['date'], clock.nowMs());
    this.#modules.onClock(member, leadMs);
    if (answer.status === 200) return answer;
    const retryAfterMs = readRetryAfterMs(answer.headers['retry-after'], MAX_RETRY_AFTER_MS);
    if (answer.status === 429 && retryAfterMs !== undefined) {
      book.stateOf(member).notBeforeMs = clock.monotonicMs() + retryAfterMs;
    }
    throw new PeerError('refused', `the peer answered ${answer.status}${clockLeadWords(leadMs)}`, answer.status, retryAfterMs);
  }
}
