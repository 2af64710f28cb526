/**
 * The encrypted part of a request (protocol.md §3), as middlewares. For a request, they check the form and the sender of the envelope,
 * decrypt it, and parse the inner object. For an answer, they encrypt it to the registered key and sign it. The answer's signature does not
 * depend on the answer's content, only on the caller's signature. So the enclave can sign while it decrypts the request.
 */
import type { Request, RequestHandler } from 'express';
import { isJsonObject, parseJson } from '../crypto/json.ts';
import { responseMessage } from '../crypto/messages.ts';
import { isRegisteredSender, parseEnvelope } from '../domain/envelope.ts';
import { DependencyError, RefusalError } from '../domain/errors.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Enclave, Identity, Plaintext, SealedText } from '../domain/ports.ts';
import { quoteObject, QuotedValue } from '../domain/quoted-json.ts';
import type { Admission } from './admission.ts';
import { sendEnvelope } from './json-answer.ts';

export interface SealedCaller {
  readonly teePubkey: TeePubkey;
  /** The caller's signature, as sent; null for an unsigned request. */
  readonly signature: string | null;
}

/** Answers up to this length are never refused for lack of room. Bytes. */
const SHORT_ANSWER_BYTES = 64 * 1024;
/**
 * An answer is counted at its size on the wire, where each byte is two hex digits. Counted this way, the largest page uses the whole share
 * of a caller (protocol.md §10).
 */
export const WIRE_FACTOR = 2;

/** The status of an answer, and the body that is sealed into it. */
export interface InnerAnswer {
  readonly status: number;
  readonly body: object;
}

/** `response.locals` of an encrypted request. Each field is set by the middleware that its comment names. */
export interface SealedLocals<Caller extends SealedCaller = SealedCaller> {
  /** This node's wallet, set by authentication. */
  nodeWallet: Wallet;
  /** The caller, set by authentication. */
  caller: Caller;
  /** The bytes and places that the request occupies, set by `admit`. */
  admission: Admission;
  /** The parsed JSON as sent, set by `readBody`. */
  body: unknown;
  /** The inner JSON object, set by `openEnvelope`. */
  inner: Record<string, unknown>;
  /** The answer's signature, set by `openEnvelope`; null for an unsigned request, absent for a request without a body. */
  answerSignature?: string | null;
}

export type SealedHandler<Locals extends SealedLocals = SealedLocals> = RequestHandler<Record<string, string>, unknown, unknown, unknown, Locals>;

export interface EnvelopeModules {
  readonly enclave: Pick<Enclave, 'decrypt' | 'encrypt' | 'sign'>;
}

/** @throws RefusalError service_unavailable until the enclave has reported the identity of this node */
export function knownIdentity(identity: Identity | null): Identity {
  if (identity === null) throw new RefusalError('service_unavailable', 'the enclave has not reported the identity of this node');
  return identity;
}

/** Checks and decrypts the envelope, and signs the answer at the same time. Refuses with bad_request, forbidden or payload_too_large. */
export function openEnvelope<Locals extends SealedLocals>({ enclave }: EnvelopeModules): SealedHandler<Locals> {
  return async (_request, response, next) => {
    const { locals } = response;
    const sealed = parseEnvelope(locals.body);
    if (sealed === null) throw new RefusalError('bad_request', 'the body is not an envelope');
    if (!isRegisteredSender(sealed, locals.caller.teePubkey)) {
      throw new RefusalError('forbidden', 'sender_tee_pubkey is not the registered key of the caller');
    }
    const [plaintext, signature] = await Promise.all([decrypt(enclave, sealed), sign(enclave, locals)]);
    locals.inner = parseInner(plaintext);
    locals.answerSignature = signature;
    next();
  };
}

/**
 * Seals, signs and sends the inner answer that `answer` returns. Refuses with forbidden, payload_too_large, service_unavailable, and with
 * the refusals of `answer`. @param signatureHeader the header for the answer's signature
 */
export function sendSealed<Locals extends SealedLocals>(
  { enclave }: EnvelopeModules,
  signatureHeader: string,
  answer: (locals: Locals, request: Request<Record<string, string>>) => InnerAnswer | Promise<InnerAnswer>,
): SealedHandler<Locals> {
  return async (request, response) => {
    const { locals } = response;
    const { status, body } = await answer(locals, request as Request<Record<string, string>>);
    const isQuoted = Object.values(body).some((value) => value instanceof QuotedValue);
    const text = isQuoted ? quoteObject(body) : JSON.stringify(body);
    // A short answer is not refused, because it may belong to a write, which has already happened.
    const bytes = typeof text === 'string' ? Buffer.byteLength(text) : text.plainBytes;
    locals.admission.lease.countAnswer(bytes * WIRE_FACTOR, bytes > SHORT_ANSWER_BYTES);
    const { answerSignature } = locals;
    const [sealed, signature] = await Promise.all([
      encrypt(enclave, text, locals.caller.teePubkey),
      answerSignature === undefined ? sign(enclave, locals) : answerSignature,
    ]);
    if (signature !== null) response.setHeader(signatureHeader, signature);
    sendEnvelope(response, status, sealed);
    locals.admission.noteWorkEnded();
  };
}

/** If the enclave API refuses, it is the caller's fault, because the envelope does not decrypt or is too large. */
async function decrypt(enclave: EnvelopeModules['enclave'], sealed: SealedText): Promise<string> {
  try {
    return await enclave.decrypt(sealed);
  } catch (error) {
    const status = refusedWith(error);
    if (status === 400) throw new RefusalError('bad_request', 'the envelope does not decrypt');
    if (status === 413) throw new RefusalError('payload_too_large', 'the envelope is too large for the enclave');
    throw error;
  }
}

function parseInner(plaintext: string): Record<string, unknown> {
  let inner: unknown;
  try {
    inner = parseJson(plaintext);
  } catch {
    throw new RefusalError('bad_request', 'the inner body is not JSON');
  }
  if (!isJsonObject(inner)) throw new RefusalError('bad_request', 'the inner body is not a JSON object');
  return inner;
}

/** The answer's signature, which covers the caller's signature; null for an unsigned request. */
async function sign(enclave: EnvelopeModules['enclave'], { caller, nodeWallet }: SealedLocals): Promise<string | null> {
  return caller.signature === null ? null : enclave.sign(responseMessage(caller.signature, nodeWallet));
}

/** If the enclave API refuses, the registered key is unusable, or the answer is too large, as a long listing may be. */
async function encrypt(enclave: EnvelopeModules['enclave'], text: Plaintext, receiver: TeePubkey): Promise<SealedText> {
  try {
    return await enclave.encrypt(text, receiver);
  } catch (error) {
    const status = refusedWith(error);
    if (status === 400) throw new RefusalError('forbidden', 'nothing can be encrypted to the registered teePubkey');
    if (status === 413) throw new RefusalError('payload_too_large', 'the answer is too large: use limit and after to ask for less');
    throw error;
  }
}

/** The status of the enclave API's refusal; undefined for any other failure. */
function refusedWith(error: unknown): number | undefined {
  return error instanceof DependencyError && error.failure === 'refused' ? error.status : undefined;
}
