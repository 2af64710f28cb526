/**
 * Turns the target of a request into the one form that the routes match (protocol.md §2). A client can write one path in many ways. A
 * data key stays as it was sent, because only `query.ts` may decode it.
 */
import type { RequestHandler } from 'express';
import { RefusalError } from '../domain/errors.ts';
import { decodePercent } from './query.ts';

/** Paths with this prefix end with a key, which may contain any character, including slashes. */
const DATA_KEY_PREFIX = '/kms/data/';

/** A path without escapes to decode or dots to resolve. */
const PLAIN_PATH = /^\/(?:[\w-]+(?:\/[\w-]+)*\/?)?$/;
/** Scheme, host and port. A target for this server has no user name or password before the host. */
const ABSOLUTE_FORM = /^https?:\/\/(?:\[[\d:a-f.]+\]|[\w.~%-]+)(?::\d*)?(?=[/?]|$)/i;
/** Characters that Express would treat as the end of a path, or would escape differently. */
const NOT_IN_PATHS = /[^\x21-\x7e]|[#?]/g;
/** Replaces a path below `/kms` that leads to no route. `/kms` itself has no route either, but its gate still answers. */
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
  // A path with an escaped prefix must not match a route, because its key would be decoded twice, here and in `query.ts`.
  return (decoded.startsWith(DATA_KEY_PREFIX) ? UNKNOWN_BELOW_KMS : escaped(encodeURI(decoded))) + query;
}

/** The origin form of a target. A server must accept the absolute form too, although clients send it only to proxies (RFC 9112 §3.2.2). */
export function originForm(target: string): string {
  const [authority] = ABSOLUTE_FORM.exec(target) ?? [''];
  if (authority === '') return target;
  const rest = target.slice(authority.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** @param rawHeaders each name, followed by its value */
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
  // RFC 9112 §3.2: a request has at most one Host header, which may be empty. HTTP/1.1 requires one.
  const hosts = hostsIn(request.rawHeaders);
  if (hosts > 1 || (hosts === 0 && request.httpVersion === '1.1')) {
    throw new RefusalError('bad_request', hosts > 1 ? 'there is more than one Host header' : 'there is no Host header');
  }
  request.url = routedTarget(request.url);
  next();
};
