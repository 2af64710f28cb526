/**
 * The encrypted half of a request (protocol.md §3): envelope form, registered sender, decryption, inner object; and the
 * way back: encryption to the registered key and the answer's signature. The signature depends on the caller's alone, so
 * the enclave makes it while the envelope is being opened.
 */
import { isJsonObject, parseJson } from '../crypto/json.ts';
import { isRegisteredSender, parseEnvelope, toWireEnvelope } from '../domain/envelope.ts';
import { DependencyError, RefusalError } from '../domain/errors.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import { responseMessage } from '../crypto/messages.ts';
import type { Enclave } from '../domain/ports.ts';

/** Seconds until a caller may try again when the enclave API fails. */
const ENCLAVE_RETRY_SECONDS = 2;

/** Reads a body as JSON. @throws RefusalError bad_request */
export function parseBody(body: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body));
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

async function fromEnclave<T>(work: Promise<T>, refused: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DependencyError)) throw error;
    if (error.failure === 'refused' && error.status !== 413) throw new RefusalError('bad_request', refused);
    throw new RefusalError('service_unavailable', 'the enclave API failed', ENCLAVE_RETRY_SECONDS);
  }
}

/** @throws RefusalError bad_request, forbidden, service_unavailable */
export async function openBody(body: unknown, caller: SealedCaller, nodeWallet: Wallet, enclave: Enclave): Promise<OpenedBody> {
  const sealed = parseEnvelope(body);
  if (sealed === null) throw new RefusalError('bad_request', 'the body is no envelope');
  if (!isRegisteredSender(sealed, caller.teePubkey)) {
    throw new RefusalError('forbidden', 'sender_tee_pubkey is not the registered key of the caller');
  }
  const signing =
    caller.signature === null
      ? Promise.resolve(null)
      : fromEnclave(enclave.sign(responseMessage(caller.signature, nodeWallet)), 'the answer cannot be signed');
  const [plaintext, answerSignature] = await Promise.all([
    fromEnclave(enclave.decrypt(sealed), 'the envelope does not decrypt'),
    signing,
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

/** The envelope of an answer. @throws RefusalError */
export async function sealAnswer(answer: object, caller: SealedCaller, enclave: Enclave): Promise<object> {
  const sealed = await fromEnclave(
    enclave.encrypt(JSON.stringify(answer), caller.teePubkey),
    'the registered teePubkey cannot be encrypted to',
  );
  return toWireEnvelope(sealed);
}
