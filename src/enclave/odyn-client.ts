/**
 * Client of the enclave API over HTTP (only what protocol.md §7 describes): the wallet that signs, the P-384 key that opens envelopes, and
 * randomness. The API is on loopback, so no proxy is used. Errors have our own messages; the API's messages are neither logged nor passed
 * on. The API may close connections that were idle or just used, so a call whose connection fails is sent once more on a new connection.
 * `decrypt` is not sent again, because the API uses up the nonce even if an attempt fails.
 */
import { parseKeepingHexBytes } from '../crypto/cut-hex.ts';
import { DeadlineQueue } from '../domain/deadline-queue.ts';
import { malformedAnswer, statusFailure, type DependencyCall } from '../domain/dependency-failures.ts';
import { endpointOf } from '../domain/endpoint.ts';
import { jsonEndingWithHex } from '../domain/envelope.ts';
import { DependencyError } from '../domain/errors.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { ENCLAVE_BODY_BYTES, MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { Attester, Clock, Enclave, Plaintext, SealedText, SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';
import type { QuotedJson } from '../domain/quoted-json.ts';
import { readOdynAnswer, type OdynAnswer, type OdynOperation } from './odyn-answers.ts';
import { OdynCall, type OdynCallModules, type OdynOperationCall } from './odyn-call.ts';
import { OdynConnections } from './odyn-connections.ts';
import { takeSecretField } from './secret-field.ts';

/** Timeout of one call, including its second attempt. Milliseconds. */
const CALL_TIMEOUT_MS = 10_000;
/** Maximum number of connections to the API; further calls wait. */
const MAX_CONNECTIONS = 32;
/** Maximum size of an answer: JSON with the largest text that the API handles. Bytes. */
const MAX_ANSWER_BYTES = 2 * ENCLAVE_BODY_BYTES + 64 * 1024;
/** A request with longer hex is written as bytes, because its JSON would be another string of that length. Characters. */
const MAX_STRING_CHARS = 16 * 1024;
/** Maximum size of an attestation; a hardware attestation is smaller than 16 KiB. Bytes. */
const MAX_ATTESTATION_BYTES = 64 * 1024;

/** The answer to every operation is JSON, except an attestation, which is passed on unchanged. */
type Operation = OdynOperation | 'attestation';
/** Randomness is cut out of the answer's bytes, so that it is never part of a string. */
type Answer<Name extends Operation> = Name extends 'random' ? Uint8Array : Name extends OdynOperation ? OdynAnswer<Name> : Buffer;

interface OperationRule {
  readonly path: string;
  /** true: the operation is a GET, without a body; false: it is a POST. */
  readonly isGet: boolean;
  /** The name of the operation in errors, which must not show paths of the API (protocol.md §2). */
  readonly name: string;
  /** As in `OdynOperationCall`. */
  readonly again: boolean;
}

const OPERATIONS: Readonly<Record<Operation, OperationRule>> = {
  address: { path: '/v1/eth/address', isGet: true, name: 'address', again: true },
  publicKey: { path: '/v1/encryption/public_key', isGet: true, name: 'public key', again: true },
  random: { path: '/v1/random', isGet: true, name: 'random', again: true },
  sign: { path: '/v1/eth/sign', isGet: false, name: 'sign', again: true },
  signTransaction: { path: '/v1/eth/sign-tx', isGet: false, name: 'sign transaction', again: true },
  encrypt: { path: '/v1/encryption/encrypt', isGet: false, name: 'encrypt', again: true },
  decrypt: { path: '/v1/encryption/decrypt', isGet: false, name: 'decrypt', again: false },
  attestation: { path: '/v1/attestation', isGet: false, name: 'attestation', again: true },
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

/** What is the same for all calls of one operation. It is made once. */
interface PreparedOperation extends OdynOperationCall {
  /** The head of a request, up to the place where the length of its body follows. For a GET, the whole head. */
  readonly start: string;
}

export class OdynClient implements Enclave, Attester {
  readonly #connections: OdynConnections;
  readonly #operations: Readonly<Record<Operation, PreparedOperation>>;
  readonly #modules: OdynClientModules;
  readonly #deadlines: DeadlineQueue;
  readonly #callModules: OdynCallModules;

  constructor(options: OdynClientOptions, modules: OdynClientModules) {
    const url = new URL(options.baseUrl);
    const isTls = url.protocol === 'https:';
    // In a URL, an IPv6 address is in brackets.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
    this.#connections = new OdynConnections({ host, port, isTls, maxConnections: MAX_CONNECTIONS }, modules);
    const callOf = (operation: Operation): PreparedOperation => prepare(operation, url, endpointOf(options.baseUrl));
    this.#operations = Object.fromEntries(Object.keys(OPERATIONS).map((name) => [name, callOf(name as Operation)])) as Record<Operation, PreparedOperation>;
    this.#modules = modules;
    this.#deadlines = new DeadlineQueue({ timeoutMs: CALL_TIMEOUT_MS }, modules);
    this.#callModules = { connections: this.#connections, onEnd: (call, failure) => this.#onEnd(call, failure) };
  }

  address(signal?: AbortSignal): Promise<Wallet> {
    return this.#call('address', undefined, signal);
  }

  publicKey(signal?: AbortSignal): Promise<TeePubkey> {
    return this.#call('publicKey', undefined, signal);
  }

  random(signal?: AbortSignal): Promise<Uint8Array> {
    return this.#call('random', undefined, signal);
  }

  sign(message: string, signal?: AbortSignal): Promise<string> {
    return this.#call('sign', { message, include_attestation: false }, signal);
  }

  signTransaction(transaction: UnsignedTransaction, signal?: AbortSignal): Promise<SignedTransaction> {
    return this.#call('signTransaction', { payload: structuredPayload(transaction) }, signal);
  }

  encrypt(plaintext: Plaintext, receiver: TeePubkey, signal?: AbortSignal): Promise<SealedText> {
    const fields = { client_public_key: `0x${receiver}` };
    const isLong = typeof plaintext !== 'string' && plaintext.quotedBytes > MAX_STRING_CHARS;
    return this.#call('encrypt', isLong ? jsonEndingWithQuoted(fields, 'plaintext', plaintext) : { plaintext: String(plaintext), ...fields }, signal);
  }

  decrypt({ nonce, senderPubkey, encryptedData }: SealedText, signal?: AbortSignal): Promise<string> {
    const fields = { nonce, client_public_key: `0x${senderPubkey}`, encrypted_data: encryptedData };
    const isLong = encryptedData.length > MAX_STRING_CHARS;
    return this.#call('decrypt', isLong ? [jsonEndingWithHex(JSON.stringify({ ...fields, encrypted_data: '' }), encryptedData)] : fields, signal);
  }

  async attestation(nonce: string | null, signal?: AbortSignal): Promise<Buffer | null> {
    try {
      return await this.#call('attestation', nonce === null ? {} : { nonce }, signal);
    } catch (error) {
      if (error instanceof DependencyError && (error.status === 404 || error.status === 405)) return null;
      throw error;
    }
  }

  /** Ends all calls, including those that wait for a connection. */
  async close(): Promise<void> {
    this.#connections.close();
    this.#deadlines.close();
  }

  /** @param content an object, or its JSON in pieces; undefined for a GET */
  #call<Name extends Operation>(name: Name, content: object | readonly Buffer[] | undefined, signal: AbortSignal | undefined): Promise<Answer<Name>> {
    const operation = this.#operations[name];
    const body = content === undefined ? '' : isPieces(content) ? content : JSON.stringify(content);
    const head = body === '' ? operation.start : `${operation.start}${sizeOf(body)}\r\n\r\n`;
    const call = new OdynCall({ operation, timeoutMs: CALL_TIMEOUT_MS, head, body, signal }, this.#callModules);
    this.#deadlines.add(call);
    call.start();
    return call.answer as Promise<Answer<Name>>;
  }

  #onEnd(call: OdynCall, failure: DependencyError | null): void {
    this.#deadlines.remove(call);
    if (failure !== null && failure.failure !== 'refused' && failure.failure !== 'aborted') this.#modules.onFailure?.(failure);
  }
}

function prepare(operation: Operation, url: URL, endpoint: string): PreparedOperation {
  const { path, name, isGet, again } = OPERATIONS[operation];
  const asked: DependencyCall = { dependency: 'enclave', endpoint, call: name, setting: 'ODYN_URL' };
  const fields = `${isGet ? 'GET' : 'POST'} ${url.pathname.replace(/\/+$/, '')}${path} HTTP/1.1\r\nhost: ${url.host}\r\n`;
  return {
    asked,
    again,
    start: fields + (isGet ? '\r\n' : 'content-type: application/json\r\ncontent-length: '),
    maxAnswerBytes: operation === 'attestation' ? MAX_ATTESTATION_BYTES : MAX_ANSWER_BYTES,
    read: (status, body) => {
      if (status !== 200) throw statusFailure(asked, status);
      // Makes a copy, because the body is overwritten afterwards.
      if (operation === 'attestation') return Buffer.from(body);
      return operation === 'random' ? readRandom(asked, body) : readJson(operation, asked, body);
    },
  };
}

/** @throws DependencyError malformed */
function readRandom(asked: DependencyCall, body: Buffer): Uint8Array {
  const secret = takeSecretField(body, 'random_bytes', MASTER_SECRET_BYTES);
  // `takeSecretField` has overwritten the secret in the body with zeros.
  readJson('random', asked, body);
  if (secret === null) throw malformedAnswer(asked, 'gave randomness in an unexpected form');
  return secret;
}

/** @throws DependencyError malformed */
function readJson(operation: OdynOperation, asked: DependencyCall, body: Buffer): OdynAnswer<OdynOperation> {
  const answer = operation === 'encrypt' ? parseKeepingHexBytes(body, 'encrypted_data', parseOrNull) : parseOrNull(body);
  const read = typeof answer === 'object' && answer !== null ? readOdynAnswer[operation](answer as Readonly<Record<string, unknown>>) : null;
  if (read === null) throw malformedAnswer(asked, `gave a malformed answer to ${asked.call}`);
  return read;
}

function parseOrNull(json: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8')) as unknown;
  } catch {
    return null;
  }
}

/** The JSON of an object with one more field, in pieces. */
function jsonEndingWithQuoted(fields: object, name: string, { pieces }: QuotedJson): readonly Buffer[] {
  const json = JSON.stringify({ ...fields, [name]: '' });
  return [Buffer.from(json.slice(0, -'"}'.length)), ...pieces, Buffer.from('"}')];
}

function isPieces(content: object): content is readonly Buffer[] {
  return Array.isArray(content);
}

/** Bytes of UTF-8. */
function sizeOf(body: string | readonly Buffer[]): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.reduce((sum, { length }) => sum + length, 0);
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
