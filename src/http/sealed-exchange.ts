/**
 * The encrypted half of a request (protocol.md §3): envelope form, registered sender, decryption, inner object; and the
 * way back: encryption to the registered key and the answer's signature. The signature depends on the caller's alone, so
 * the enclave makes it while the envelope is being opened.
 */
import { isJsonObject, parseJson, parseJsonBody } from '../crypto/json.ts';
import { isRegisteredSender, parseEnvelope, toWireEnvelope } from '../domain/envelope.ts';
import { DependencyError, RefusalError } from '../domain/errors.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { responseMessage } from '../crypto/messages.ts';
import type { Enclave, SealedText } from '../domain/ports.ts';

/** Seconds until a caller may try again when the enclave API fails. */
const ENCLAVE_RETRY_SECONDS = 2;

/** Reads a body as JSON. @throws RefusalError bad_request */
export function parseBody(body: Uint8Array): unknown {
  try {
    return parseJsonBody(body);
  } catch {
    throw new RefusalError('bad_request', 'the body is no JSON');
  }
}

export interface OpenedBody {
  /** The inner JSON object. */
  readonly inner: Record<string, unknown>;
  /** Header value of the answer's signature; null for an unsigned request. */
  readonly answerSignature: string | null;
}

export interface SealedCaller {
  readonly teePubkey: TeePubkey;
  /** The caller's signature, as sent. */
  readonly signature: string | null;
}

/** What the enclave API does not do is this node's failure, not the caller's. */
async function fromEnclave<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    throw new RefusalError('service_unavailable', 'the enclave API failed', ENCLAVE_RETRY_SECONDS);
  }
}

/** Decrypts. Here alone a refusal may be the caller's fault: a text that does not open, or one that is too large. */
async function open(enclave: Enclave, sealed: SealedText): Promise<string> {
  try {
    return await enclave.decrypt(sealed);
  } catch (error) {
    const status = error instanceof DependencyError && error.failure === 'refused' ? error.status : undefined;
    if (status === 400) throw new RefusalError('bad_request', 'the envelope does not decrypt');
    if (status === 413) throw new RefusalError('payload_too_large', 'the envelope is too large for the enclave');
    throw error;
  }
}

/** @throws RefusalError bad_request, forbidden, payload_too_large, service_unavailable */
export async function openBody(body: unknown, caller: SealedCaller, nodeWallet: Wallet, enclave: Enclave): Promise<OpenedBody> {
  const sealed = parseEnvelope(body);
  if (sealed === null) throw new RefusalError('bad_request', 'the body is no envelope');
  if (!isRegisteredSender(sealed, caller.teePubkey)) {
    throw new RefusalError('forbidden', 'sender_tee_pubkey is not the registered key of the caller');
  }
  const [plaintext, answerSignature] = await Promise.all([
    fromEnclave(open(enclave, sealed)),
    signAnswer(caller, nodeWallet, enclave),
  ]);
  return { inner: parseInner(plaintext), answerSignature };
}

function parseInner(plaintext: string): Record<string, unknown> {
  let inner: unknown;
  try {
    inner = parseJson(plaintext);
  } catch {
    throw new RefusalError('bad_request', 'the inner body is no JSON');
  }
  if (!isJsonObject(inner)) throw new RefusalError('bad_request', 'the inner body is no JSON object');
  return inner;
}

/** The answer's signature over the caller's; null for an unsigned request. @throws RefusalError service_unavailable */
export async function signAnswer(caller: SealedCaller, nodeWallet: Wallet, enclave: Enclave): Promise<string | null> {
  return caller.signature === null ? null : fromEnclave(enclave.sign(responseMessage(caller.signature, nodeWallet)));
}

/** Encrypts. A refusal is about the registered key, or about a listing that does not fit. */
async function seal(enclave: Enclave, text: string, receiver: TeePubkey): Promise<SealedText> {
  try {
    return await enclave.encrypt(text, receiver);
  } catch (error) {
    const status = error instanceof DependencyError && error.failure === 'refused' ? error.status : undefined;
    if (status === 400) throw new RefusalError('forbidden', 'the registered teePubkey is no key to encrypt to');
    if (status === 413) throw new RefusalError('payload_too_large', 'the answer is too large: ask for less, with limit and after');
    throw error;
  }
}

/** The envelope of an answer. @throws RefusalError forbidden, payload_too_large, service_unavailable */
export async function sealAnswer(answer: object, caller: SealedCaller, enclave: Enclave): Promise<object> {
  return toWireEnvelope(await fromEnclave(seal(enclave, JSON.stringify(answer), caller.teePubkey)));
}
