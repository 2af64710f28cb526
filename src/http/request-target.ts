/**
 * The target of a request in the one form that the routes match (protocol.md §2). A target may be anything that a client can
 * write. A data key stays exactly as it was sent: its reader decodes it once.
 */
import type { RequestHandler } from 'express';
import { RefusalError } from '../domain/errors.ts';
import { decodePercent } from './query.ts';

/** A key under this prefix may hold anything, slashes too. */
export const DATA_KEY_PREFIX = '/kms/data/';

/** Nothing to decode and no dots to resolve. */
const PLAIN_PATH = /^\/(?:[\w-]+(?:\/[\w-]+)*\/?)?$/;
/** Scheme, host and port; nothing else stands in an authority that is meant for this server. */
const ABSOLUTE_FORM = /^https?:\/\/(?:\[[\d:a-f.]+\]|[\w.~%-]+)(?::\d*)?(?=[/?]|$)/i;
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

/** Of the absolute form, which a server must take though clients send it to proxies only (RFC 9112 §3.2.2). */
export function originForm(target: string): string {
  const [authority] = ABSOLUTE_FORM.exec(target) ?? [''];
  if (authority === '') return target;
  const rest = target.slice(authority.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** @param rawHeaders names and values in turn */
function hostsIn(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts;
}

function escaped(path: string): string {
  return path.replace(NOT_IN_PATHS, (character) => encodeURIComponent(character));
}

export const checkTarget: RequestHandler = (request, _response, next) => {
  // RFC 9112 §3.2: one Host, which may be empty, and without it no request of HTTP/1.1.
  const hosts = hostsIn(request.rawHeaders);
  if (hosts > 1 || (hosts === 0 && request.httpVersion === '1.1')) {
    throw new RefusalError('bad_request', hosts > 1 ? 'there is more than one Host header' : 'there is no Host header');
  }
  request.url = routedTarget(request.url);
  next();
};
