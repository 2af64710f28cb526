/** Reads bodies up to a limit (protocol.md §3). Where a route needs a proof, the proof is checked before the body is read. */
import type { RequestHandler } from 'express';
import type { IncomingMessage } from 'node:http';
import { RefusalError } from '../domain/errors.ts';
import { JoinedChunks } from '../domain/joined-chunks.ts';
import { parseCuttingHex } from '../crypto/cut-hex.ts';
import { parseJsonBody } from '../crypto/json.ts';
import type { Admission } from './admission.ts';
import type { ByteLease } from './inflight-bytes.ts';

type CountedBytes = Pick<ByteLease, 'expect' | 'add'>;

/** Puts the parsed JSON in `locals.body`. Refuses with unsupported_media_type, payload_too_large, service_unavailable or bad_request. */
export function readBody(maxBytes: number): RequestHandler {
  return async (request, response, next) => {
    const locals = response.locals as { body?: unknown; admission: Admission };
    locals.body = parseBody(await bytesOf(request, maxBytes, locals.admission.lease));
    next();
  };
}

/** The parsed JSON; undefined when there is no body. @throws the refusals of `readBody` */
export async function readJson(request: IncomingMessage, maxBytes: number, lease: CountedBytes): Promise<unknown> {
  const bytes = await bytesOf(request, maxBytes, lease);
  return bytes.length === 0 ? undefined : parseBody(bytes);
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/**
 * The first middleware. If a GET, HEAD or OPTIONS request has a body, the node does not read it, and closes the connection after the answer
 * (protocol.md §10, Bounds).
 */
export const leaveBodyUnread: RequestHandler = (request, response, next) => {
  const { method } = request;
  if ((method === 'GET' || method === 'HEAD' || method === 'OPTIONS') && hasBody(request)) response.setHeader('connection', 'close');
  next();
};

/** Reads the body, and stops at the limit. */
async function bytesOf(request: IncomingMessage, maxBytes: number, lease: CountedBytes): Promise<Uint8Array> {
  const coding = request.headers['content-encoding'] ?? 'identity';
  if (coding.toLowerCase() !== 'identity') throw new RefusalError('unsupported_media_type', 'a body must not have a content coding');
  const tooLarge = (): RefusalError => new RefusalError('payload_too_large', `the body is longer than ${maxBytes} bytes`);
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge();
  lease.expect(announced);
  const cutOff = (): RefusalError => new RefusalError('bad_request', 'the body was cut off');
  // If the caller hung up while an earlier middleware waited, none of the events below would be emitted.
  if (request.destroyed) throw cutOff();
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks = new JoinedChunks();
  const onData = (chunk: Buffer): void => {
    if (chunks.bytes + chunk.length > maxBytes) { reject(tooLarge()); return; }
    try {
      lease.add(chunk.length);
      chunks.add(chunk);
    } catch (error) {
      reject(error);
    }
  };
  const onEnd = (): void => resolve(chunks.join());
  const onCut = (): void => {
    // A request also emits `close` after `end`. In that case, no error is made, because making one costs as much as reading the body.
    if (!request.readableEnded) reject(cutOff());
  };
  request.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
  try {
    return await promise;
  } finally {
    request.off('data', onData).off('end', onEnd).off('close', onCut);
    // The rest of the body is dropped after the answer has been sent (`lingering-close.ts`).
    if (!request.readableEnded) request.pause();
  }
}

function parseBody(body: Uint8Array): unknown {
  try {
    return parseCuttingHex(body, 'encrypted_data', parseJsonBody);
  } catch {
    throw new RefusalError('bad_request', 'the body is not JSON');
  }
}
