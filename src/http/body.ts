/** Bodies (protocol.md §3): read up to a limit, and only once the caller has proved who it is. */
import type { RequestHandler } from 'express';
import type { IncomingMessage } from 'node:http';
import { RefusalError } from '../domain/errors.ts';
import { parseJsonBody } from '../crypto/json.ts';
import type { Admission } from './admission.ts';
import type { ByteLease } from './inflight-bytes.ts';

type CountedBytes = Pick<ByteLease, 'expect' | 'add'>;

/** Gives the parsed JSON as `response.locals.body`. Refuses with unsupported_media_type, payload_too_large, service_unavailable, bad_request. */
export function readBody(maxBytes: number): RequestHandler {
  return async (request, response, next) => {
    const locals = response.locals as { body?: unknown; admission: Admission };
    locals.body = parseBody(await bytesOf(request, maxBytes, locals.admission.lease));
    next();
  };
}

/** The parsed JSON; undefined when there is no body. @throws as `readBody` refuses */
export async function readJson(request: IncomingMessage, maxBytes: number, lease: CountedBytes): Promise<unknown> {
  const bytes = await bytesOf(request, maxBytes, lease);
  return bytes.length === 0 ? undefined : parseBody(bytes);
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** First of all: bodies of methods that have none are not read, and the connection ends with the answer (protocol.md §10, Bounds). */
export const leaveBodyUnread: RequestHandler = (request, response, next) => {
  const { method } = request;
  if ((method === 'GET' || method === 'HEAD' || method === 'OPTIONS') && hasBody(request)) response.setHeader('connection', 'close');
  next();
};

/** What is longer than the limit is not read on. */
async function bytesOf(request: IncomingMessage, maxBytes: number, lease: CountedBytes): Promise<Uint8Array> {
  const coding = request.headers['content-encoding'] ?? 'identity';
  if (coding.toLowerCase() !== 'identity') throw new RefusalError('unsupported_media_type', 'a body is taken without content coding only');
  const tooLarge = (): RefusalError => new RefusalError('payload_too_large', `the body is longer than ${maxBytes} bytes`);
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge();
  lease.expect(announced);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > maxBytes) { reject(tooLarge()); return; }
    try {
      lease.add(chunk.length);
      chunks.push(chunk);
    } catch (error) {
      reject(error);
    }
  };
  const onEnd = (): void => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  const onCut = (): void => {
    // Every request closes, also after its end: an error made for nothing costs as much as the rest of this.
    if (!request.readableEnded) reject(new RefusalError('bad_request', 'the body was cut off'));
  };
  request.on('data', onData).once('end', onEnd).once('error', onCut).once('close', onCut);
  try {
    return await promise;
  } finally {
    request.off('data', onData).off('end', onEnd).off('close', onCut);
    // What is not read on is dropped once the answer has been sent.
    if (!request.readableEnded) request.pause();
  }
}

function parseBody(body: Uint8Array): unknown {
  try {
    return parseJsonBody(body);
  } catch {
    throw new RefusalError('bad_request', 'the body is not JSON');
  }
}
