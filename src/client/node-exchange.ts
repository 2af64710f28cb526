/**
 * One request to one node (protocol.md §3, §10): gets a nonce, signs a proof over it, and seals the body under the node's registered
 * key. Then it checks the answer: the node's wallet signed a message that contains our signature, the registered key sealed the envelope,
 * and the content belongs to this request and has the expected form.
 */
import { z } from 'zod';
import { parseJsonOrNull } from '../crypto/json.ts';
import { appAuthMessage, readNonce, responseMessage } from '../crypto/messages.ts';
import { recoverEip191 } from '../crypto/signature.ts';
import { DeadlineError, within } from '../domain/deadline.ts';
import { envelopeJson, isRegisteredSender, parseEnvelope } from '../domain/envelope.ts';
import { DependencyError, type ErrorCode } from '../domain/errors.ts';
import { MAX_ACK_TIMEOUT_MS, SMALL_ANSWER_BYTES } from '../domain/limits.ts';
import { memberEndpoint } from '../domain/membership.ts';
import type { Clock, Transport, TransportAnswer, TransportRequest } from '../domain/ports.ts';
import { readRetryAfterMs } from '../domain/retry-after.ts';
import { bondOf, type ListingBounds } from './bound-answer.ts';
import { AttemptError, KmsClientError } from './errors.ts';
import { NodeHabits } from './node-habits.ts';
import type { KmsNode } from './node-list.ts';
import { MAX_RETRY_AFTER_MS, type ClientIdentity } from './options.ts';
import { SpareNonces } from './spare-nonces.ts';

/** A request under `/kms/`. */
export interface KmsRequest<Answer> {
  readonly method: TransportRequest['method'];
  readonly path: `/kms/${string}`;
  /** The JSON inside the envelope; undefined if the request has no body. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** The operation that the body requests; absent when there is no body. */
  readonly op?: 'derive' | 'put' | 'delete';
  /** The store key that the request reads or writes. */
  readonly key?: string;
  /** The bounds of the listing, if the request lists keys. */
  readonly listing?: ListingBounds;
  /** Reads the answer's inner JSON; null when it has the wrong form or answers another request. */
  readonly read: (inner: unknown) => Answer | null;
  /** Maximum size of the answer's envelope on the wire. Bytes. */
  readonly maxAnswerBytes: number;
  /** Added to an attempt's timeout when the node waits for acknowledgements. Milliseconds. */
  readonly extraMs?: number;
}

const nonceAnswer = z.object({ nonce: z.unknown() });
/** The JSON that a node seals into the envelope of its 404 for an absent key. */
const sealedAbsence = z.object({ code: z.literal('not_found' satisfies ErrorCode) });
const NEXT_NONCE = 'x-nova-next-nonce';
/** Codes with which a node refuses the request itself (protocol.md §2). The answer is not signed, so `FailOver` may ask a second node. */
const refusal = z.object({
  code: z.enum([
    'bad_request',
    'unauthorized',
    'forbidden',
    'not_found',
    'method_not_allowed',
    'payload_too_large',
    'not_replicated',
    'insufficient_storage',
  ] satisfies ErrorCode[]),
});

export interface NodeExchangeOptions {
  readonly attemptTimeoutMs: number;
}

export interface NodeExchangeModules {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly identity: ClientIdentity;
}

export class NodeExchange {
  readonly #attemptTimeoutMs: number;
  readonly #modules: NodeExchangeModules;
  readonly #habits = new NodeHabits();
  readonly #nonces: SpareNonces;

  constructor(options: NodeExchangeOptions, modules: NodeExchangeModules) {
    this.#attemptTimeoutMs = options.attemptTimeoutMs;
    this.#modules = modules;
    this.#nonces = new SpareNonces(modules);
  }

  /**
   * @throws AttemptError when the node failed to answer; KmsClientError when the node refused the request, or when the caller's own enclave
   * failed; the signal's reason when the signal is aborted; any other error that the identity throws
   */
  async request<Answer>(node: KmsNode, request: KmsRequest<Answer>, signal: AbortSignal): Promise<Answer> {
    const { clock } = this.#modules;
    try {
      return await within(clock, 'the node', this.#attemptTimeoutMs + (request.extraMs ?? 0), signal, (limit) => this.#perform(node, request, limit));
    } catch (error) {
      if (signal.aborted) throw signal.reason as Error;
      if (error instanceof AttemptError || error instanceof KmsClientError) throw error;
      if (error instanceof DependencyError) throw judgeDependency(error);
      if (error instanceof DeadlineError) throw new AttemptError('timeout');
      // This is a bug in this program or in the identity. Another node would not help, and the bug must stay visible.
      throw error;
    }
  }

  async #perform<Answer>(node: KmsNode, request: KmsRequest<Answer>, signal: AbortSignal): Promise<Answer> {
    const spare = this.#nonces.take(node.wallet);
    if (spare === null) return this.#ask(node, request, await this.#fetchNonce(node, signal), signal);
    try {
      return await this.#ask(node, request, spare, signal);
    } catch (error) {
      if (!(error instanceof KmsClientError) || error.serverCode !== 'unauthorized') throw error;
      // The nonce may have expired, or the node may have restarted. An unauthorized request changed nothing, so it is safe to repeat.
      this.#nonces.forget(node.wallet);
      return this.#ask(node, request, await this.#fetchNonce(node, signal), signal);
    }
  }

  async #ask<Answer>(node: KmsNode, request: KmsRequest<Answer>, nonce: string, signal: AbortSignal): Promise<Answer> {
    const { identity, clock } = this.#modules;
    const timestamp = String(Math.floor(clock.nowMs() / 1000));
    const [signature, body] = await Promise.all([
      identity.sign(appAuthMessage(nonce, node.wallet, timestamp), signal),
      this.#seal(node, request, nonce, signal),
    ]);
    const answer = await this.#send(signal, {
      method: request.method,
      url: memberEndpoint(node.url, request.path),
      headers: {
        'x-app-signature': signature,
        'x-app-nonce': nonce,
        'x-app-timestamp': timestamp,
        [NEXT_NONCE]: '1',
        'x-nova-sealed-errors': '1',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      maxAnswerBytes: request.maxAnswerBytes,
    });
    const next = readNonce(answer.headers[NEXT_NONCE]);
    if (next !== null) this.#nonces.keep(node.wallet, next);
    if (answer.status === 404) throw await this.#judgeAbsence(node, answer, nonce, signal);
    if (answer.status !== 200) throw judgeStatus(answer);
    const answerSignature = answer.headers['x-kms-response-signature'];
    const signed = answerSignature !== undefined && recoverEip191(responseMessage(signature, node.wallet), answerSignature);
    if (signed !== node.wallet) throw new AttemptError('bad_answer_signature', { status: 200 });
    const inner = await this.#open(node, answer, signal);
    const bond = bondOf(inner, { nonce, listing: request.listing });
    if (bond === 'bound') this.#habits.note(node, 'binds');
    if (bond === 'foreign' || (bond === 'unbound' && this.#habits.has(node, 'binds'))) throw new AttemptError('bad_answer', { status: 200 });
    const read = request.read(inner);
    if (read === null) throw new AttemptError('bad_answer', { status: 200 });
    return read;
  }

  async #fetchNonce(node: KmsNode, signal: AbortSignal): Promise<string> {
    const url = memberEndpoint(node.url, '/nonce');
    const answer = await this.#send(signal, { method: 'GET', url, maxAnswerBytes: SMALL_ANSWER_BYTES });
    if (answer.status !== 200) throw asAttempt(judgeStatus(answer));
    const nonce = readNonce(nonceAnswer.safeParse(parseJsonOrNull(answer.body)).data?.nonce);
    if (nonce === null) throw new AttemptError('bad_answer', { status: 200 });
    return nonce;
  }

  async #seal(node: KmsNode, { body, op }: KmsRequest<unknown>, nonce: string, signal: AbortSignal): Promise<string | undefined> {
    if (body === undefined) return undefined;
    try {
      const inner = JSON.stringify({ ...body, nonce, op });
      return envelopeJson(await this.#modules.identity.encrypt(inner, node.teePubkey, signal));
    } catch (error) {
      if (error instanceof DependencyError && error.failure === 'refused') throw new AttemptError('bad_key');
      throw error;
    }
  }

  /**
   * Judges a 404. A 404 counts as proven if the node's enclave sealed it for this request. Once a node has sent a sealed 404, an unsealed
   * 404 cannot come from that node.
   */
  async #judgeAbsence(node: KmsNode, answer: TransportAnswer, nonce: string, signal: AbortSignal): Promise<AttemptError | KmsClientError> {
    if (parseEnvelope(parseJsonOrNull(answer.body)) === null) {
      return this.#habits.has(node, 'seals') ? new AttemptError('bad_answer', { status: 404 }) : judgeStatus(answer);
    }
    const inner = await this.#open(node, answer, signal);
    if (bondOf(inner, { nonce }) !== 'bound' || !sealedAbsence.safeParse(inner).success) return new AttemptError('bad_answer', { status: 404 });
    this.#habits.note(node, 'seals');
    return refusedBy(404, 'not_found', true);
  }

  /** @returns the inner JSON; null when it is not JSON @throws AttemptError when this node did not seal the envelope for us */
  async #open(node: KmsNode, answer: TransportAnswer, signal: AbortSignal): Promise<unknown> {
    const { status } = answer;
    const sealed = parseEnvelope(parseJsonOrNull(answer.body));
    if (sealed === null || !isRegisteredSender(sealed, node.teePubkey)) throw new AttemptError('bad_answer', { status });
    let plaintext: string;
    try {
      plaintext = await this.#modules.identity.decrypt(sealed, signal);
    } catch (error) {
      const refused = error instanceof DependencyError && error.failure === 'refused';
      throw refused ? new AttemptError('bad_answer', { status }) : error;
    }
    return parseJsonOrNull(plaintext);
  }

  async #send(signal: AbortSignal, request: Omit<TransportRequest, 'timeoutMs' | 'signal'>): Promise<TransportAnswer> {
    // The signal is aborted when the attempt's timeout is reached. The transport's own timeout is never shorter.
    return this.#modules.transport.request({ ...request, timeoutMs: this.#attemptTimeoutMs + MAX_ACK_TIMEOUT_MS, signal });
  }
}

function judgeStatus({ status, headers, body }: TransportAnswer): AttemptError | KmsClientError {
  const facts = { status, retryAfterMs: readRetryAfterMs(headers['retry-after'], MAX_RETRY_AFTER_MS) };
  if (status === 503) return new AttemptError('unready', facts);
  if (status === 429) return new AttemptError('rate_limited', facts);
  const refused = status >= 400 ? refusal.safeParse(parseJsonOrNull(body)).data : undefined;
  if (refused !== undefined) return refusedBy(status, refused.code, false);
  return new AttemptError(status >= 500 ? 'server_error' : 'bad_answer', facts);
}

function refusedBy(status: number, serverCode: ErrorCode, proven: boolean): KmsClientError {
  return new KmsClientError('refused', `the node refused the request: ${status} ${serverCode}`, { status, serverCode, proven });
}

/** If a node returns no nonce, the attempt has failed, regardless of what the node answered instead. */
function asAttempt(error: AttemptError | KmsClientError): AttemptError {
  return error instanceof AttemptError ? error : new AttemptError('bad_answer', { status: error.status });
}

function judgeDependency(error: DependencyError): AttemptError | KmsClientError {
  if (error.dependency === 'enclave') return new KmsClientError('identity_unavailable', "the caller's own enclave failed");
  switch (error.failure) {
    case 'timeout':
    case 'aborted':
      return new AttemptError('timeout');
    case 'too_large':
    case 'malformed':
      return new AttemptError('bad_answer');
    case 'refused':
    case 'unreachable':
      return new AttemptError('unreachable');
  }
}
