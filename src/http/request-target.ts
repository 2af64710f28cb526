/**
 * The target of a request in the one form that the routes match (protocol.md §2). A target may be anything that a client can
 * write. A data key stays exactly as it was sent: whoever reads it decodes it once.
 */
import type { RequestHandler } from 'express';
import { RefusalError } from '../domain/errors.ts';
import { decodePercent } from './query.ts';

/** A key under this prefix may hold anything, slashes too. */
export const DATA_KEY_PREFIX = '/kms/data/';

/** Nothing to decode and no dots to resolve. */
const PLAIN_PATH = /^\/(?:[\w-]+(?:\/[\w-]+)*\/?)?$/;
/** What Express would take for the end of a path, or write in another way. */
const NOT_IN_PATHS = /[^\x21-\x7e]|[#?]/g;
/** There is no such route, and it is behind the gate as everything below /kms. */
const UNKNOWN_BELOW_KMS = '/kms';

/** @throws RefusalError bad_request */
export function routedTarget(target: string): string {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  if (PLAIN_PATH.test(path)) return target;
  const query = end === -1 ? '' : target.slice(end);
  if (path.startsWith(DATA_KEY_PREFIX)) return escaped(path) + query;
  if (!path.startsWith('/') || !URL.canParse(target, 'http://node')) {
    throw new RefusalError('bad_request', 'the request target is not valid');
  }
  const { pathname } = new URL(`http://node${path}`);
  const decoded = decodePercent(pathname, 'path');
  // Decoded here, it would be decoded twice, and name another key.
  return (decoded.startsWith(DATA_KEY_PREFIX) ? UNKNOWN_BELOW_KMS : escaped(encodeURI(decoded))) + query;
}

function escaped(path: string): string {
  return path.replace(NOT_IN_PATHS, (character) => encodeURIComponent(character));
}

export const checkTarget: RequestHandler = (request, _response, next) => {
  if (request.httpVersion === '1.1' && request.headers.host === undefined) {
    throw new RefusalError('bad_request', 'there is no Host header');
  }
  request.url = routedTarget(request.url);
  next();
};
