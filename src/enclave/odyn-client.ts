/**
 * Client of the enclave API over HTTP (only what protocol.md §7 describes): the wallet that signs, the P-384 key that opens envelopes,
 * and randomness. The API is on loopback, so no proxy is used. Errors have our own texts; the API's texts are neither logged nor passed
 * on. The API may close connections that were idle or just used, so a call whose connection fails is sent once more on a new connection.
 * `decrypt` is not sent again, because the API burns the nonce even if an attempt fails.
 */
import { Pool, type Dispatcher } from 'undici';
import { DeadlineQueue } from '../domain/deadline-queue.ts';
import { malformedAnswer, noAnswer, statusFailure, type DependencyCall } from '../domain/dependency-failures.ts';
import { endpointOf } from '../domain/endpoint.ts';
import { DependencyError } from '../domain/errors.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { ENCLAVE_BODY_BYTES, MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { Attester, Clock, Enclave, SealedText, SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';
import { readOdynAnswer, type OdynAnswer, type OdynOperation } from './odyn-answers.ts';
import { OdynCall } from './odyn-call.ts';
import { takeSecretField } from './secret-field.ts';

/** Timeout of one call, including its second attempt. Milliseconds. */
const CALL_TIMEOUT_MS = 10_000;
/** Maximum number of connections to the API; further calls wait. */
const CONNECTIONS = 32;
/** Maximum number of connections for second attempts. */
const FRESH_CONNECTIONS = 8;
/** Maximum size of an answer: JSON with the largest text that the API handles. Bytes. */
const MAX_ANSWER_BYTES = 2 * ENCLAVE_BODY_BYTES + 64 * 1024;
/** Maximum size of an attestation; those of the hardware have less than 16 KiB. Bytes. */
const MAX_ATTESTATION_BYTES = 64 * 1024;
const JSON_TYPE = { 'content-type': 'application/json' };

/** Only an attestation is not JSON; it is passed on unchanged. */
type Operation = OdynOperation | 'attestation';
type Answer<Name extends Operation> = Name extends OdynOperation ? OdynAnswer<Name> : Buffer;

interface OperationRule {
  readonly path: string;
  /** Its name in errors, which must not show paths of the API (protocol.md §2). */
  readonly name: string;
  /** Whether the call may be sent again, although the API may have carried out an attempt whose answer was lost. */
  readonly again: boolean;
}

const OPERATIONS: Readonly<Record<Operation, OperationRule>> = {
  address: { path: '/v1/eth/address', name: 'address', again: true },
  publicKey: { path: '/v1/encryption/public_key', name: 'public key', again: true },
  random: { path: '/v1/random', name: 'random', again: true },
  sign: { path: '/v1/eth/sign', name: 'sign', again: true },
  signTransaction: { path: '/v1/eth/sign-tx', name: 'sign transaction', again: true },
  encrypt: { path: '/v1/encryption/encrypt', name: 'encrypt', again: true },
  decrypt: { path: '/v1/encryption/decrypt', name: 'decrypt', again: false },
  attestation: { path: '/v1/attestation', name: 'attestation', again: true },
};

export interface OdynClientOptions {
  /** `ODYN_URL`, without a trailing slash. */
  readonly baseUrl: string;
}

export interface OdynClientModules {
  readonly clock: Clock;
  /** Called for each failed call, except calls that the API refused (4xx) and aborted calls. */
  readonly onFailure?: (error: DependencyError) => void;
}

export class OdynClient implements Enclave, Attester {
  readonly #pool: Pool;
  /** Opens a new connection for each call. */
  readonly #fresh: Pool;
  readonly #prefix: string;
  /** How errors describe each operation. */
  readonly #asked: Readonly<Record<Operation, DependencyCall>>;
  readonly #modules: OdynClientModules;
  readonly #deadlines: DeadlineQueue;

  constructor(options: OdynClientOptions, modules: OdynClientModules) {
    const url = new URL(options.baseUrl);
    this.#prefix = url.pathname.replace(/\/+$/, '');
    const endpoint = endpointOf(options.baseUrl);
    const askedFor = (operation: Operation): DependencyCall => ({ dependency: 'enclave', endpoint, call: OPERATIONS[operation].name, setting: 'ODYN_URL' });
    this.#asked = Object.fromEntries(Object.keys(OPERATIONS).map((name) => [name, askedFor(name as Operation)])) as Record<Operation, DependencyCall>;
    this.#pool = new Pool(url.origin, { connections: CONNECTIONS, pipelining: 1 });
    this.#fresh = new Pool(url.origin, { connections: FRESH_CONNECTIONS, pipelining: 1 });
    this.#modules = modules;
    this.#deadlines = new DeadlineQueue({ timeoutMs: CALL_TIMEOUT_MS }, modules);
  }

  address(signal?: AbortSignal): Promise<Wallet> {
    return this.#call('address', undefined, signal);
  }

  publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return this.#call('publicKey', undefined, signal);
  }

  async random(signal?: AbortSignal): Promise<Uint8Array> {
    const taken: { secret: Uint8Array | null } = { secret: null };
    // The body that is then parsed as JSON has zeros in place of the secret.
    await this.#call('random', undefined, signal, (body) => void (taken.secret = takeSecretField(body, 'random_bytes', MASTER_SECRET_BYTES)));
    if (taken.secret === null) throw malformedAnswer(this.#asked.random, 'gave randomness in an unexpected form');
    return taken.secret;
  }

  sign(message: string, signal?: AbortSignal): Promise<string> {
    return this.#call('sign', { message, include_attestation: false }, signal);
  }

  signTransaction(transaction: UnsignedTransaction, signal?: AbortSignal): Promise<SignedTransaction> {
    return this.#call('signTransaction', { payload: structuredPayload(transaction) }, signal);
  }

  encrypt(plaintext: string, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText> {
    return this.#call('encrypt', { plaintext, client_public_key: `0x${receiver}` }, signal);
  }

  decrypt({ nonce, senderPubkey, encryptedData }: SealedText, signal?: AbortSignal): Promise<string> {
    return this.#call('decrypt', { nonce, client_public_key: `0x${senderPubkey}`, encrypted_data: encryptedData }, signal);
  }

  async attestation(nonce: string | null, signal?: AbortSignal): Promise<Buffer | null> {
    try {
      return await this.#call('attestation', nonce === null ? {} : { nonce }, signal);
    } catch (error) {
      if (error instanceof DependencyError && (error.status === 404 || error.status === 405)) return null;
      throw error;
    }
  }

  /** Ends the calls under way. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#fresh.destroy()]);
    this.#deadlines.close();
  }

  /**
   * @param body undefined for a GET
   * @param take gets the bytes of a good answer before they are parsed; given only when the answer contains a secret
   */
  async #call<Name extends Operation>(operation: Name, body: object | undefined, signal: AbortSignal | undefined, take?: (answer: Buffer) => void): Promise<Answer<Name>> {
    const asked = this.#asked[operation];
    const maxAnswerBytes = operation === 'attestation' ? MAX_ATTESTATION_BYTES : MAX_ANSWER_BYTES;
    const call = new OdynCall({ asked, timeoutMs: CALL_TIMEOUT_MS, maxAnswerBytes, isSecret: take !== undefined });
    const onAbort = signal === undefined ? null : (): void => call.end(signal.reason as Error);
    if (signal?.aborted === true) call.end(signal.reason as Error);
    else if (onAbort !== null) signal?.addEventListener('abort', onAbort, { once: true });
    this.#deadlines.add(call);
    try {
      return await this.#tryTwice(call, operation, asked, body, take);
    } catch (error) {
      const failure = noAnswer(asked, error, signal?.aborted === true);
      if (failure.failure !== 'refused' && failure.failure !== 'aborted') this.#modules.onFailure?.(failure);
      throw failure;
    } finally {
      this.#deadlines.remove(call);
      if (onAbort !== null) signal?.removeEventListener('abort', onAbort);
    }
  }

  async #tryTwice<Name extends Operation>(call: OdynCall, operation: Name, asked: DependencyCall, body: object | undefined, take?: (answer: Buffer) => void): Promise<Answer<Name>> {
    const request: Dispatcher.DispatchOptions = {
      path: this.#prefix + OPERATIONS[operation].path,
      method: body === undefined ? 'GET' : 'POST',
      headers: body === undefined ? null : JSON_TYPE,
      body: body === undefined ? null : JSON.stringify(body),
      // Our own timeout ends the call, on the injected clock.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    try {
      return answerOf(operation, asked, await call.send(this.#pool, request), call.status, take);
    } catch (error) {
      const failure = noAnswer(asked, error, false);
      if (!OPERATIONS[operation].again || failure.failure !== 'unreachable') throw error;
    }
    // `reset`: the connection is closed after this attempt.
    return answerOf(operation, asked, await call.send(this.#fresh, { ...request, reset: true }), call.status, take);
  }
}

/** @throws DependencyError */
function answerOf<Name extends Operation>(operation: Name, asked: DependencyCall, body: Buffer, status: number, take?: (answer: Buffer) => void): Answer<Name> {
  if (status !== 200) throw statusFailure(asked, status);
  take?.(body);
  const named: Operation = operation;
  return (named === 'attestation' ? body : readJson(named, asked, body)) as Answer<Name>;
}

function readJson(operation: OdynOperation, asked: DependencyCall, body: Buffer): OdynAnswer<OdynOperation> {
  const answer = parseOrNull(body.toString('utf8'));
  const read = typeof answer === 'object' && answer !== null ? readOdynAnswer[operation](answer as Readonly<Record<string, unknown>>) : null;
  if (read === null) throw malformedAnswer(asked, `gave a malformed answer to ${asked.call}`);
  return read;
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const quantity = (value: bigint | number): string => `0x${value.toString(16)}`;

/** The form that the enclave API accepts (protocol.md §9.20). */
function structuredPayload(transaction: UnsignedTransaction) {
  return {
    kind: 'structured',
    chain_id: quantity(transaction.chainId),
    nonce: quantity(transaction.nonce),
    max_priority_fee_per_gas: quantity(transaction.maxPriorityFeePerGas),
    max_fee_per_gas: quantity(transaction.maxFeePerGas),
    gas_limit: quantity(transaction.gasLimit),
    to: transaction.to,
    value: quantity(transaction.value),
    data: transaction.data,
  };
}
