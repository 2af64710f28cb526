/**
 * Decides which requests get an answer. The server listens on loopback, but a browser on the same machine also runs pages from other
 * sites. A foreign name may resolve to 127.0.0.1, so the Host must be ours. A foreign script may send requests here, so the Origin must be
 * ours, and `sec-fetch-site` may show another site only when the user follows a link to the page. No answer has a header that allows
 * another origin to read it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The default port of HTTP, which clients may leave out. */
const DEFAULT_PORT = 80;

export const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

export interface Refusal {
  readonly status: number;
  readonly error: string;
}

/** The hosts under which a browser may have opened our page. */
function ownHosts(port: number): readonly string[] {
  return [`127.0.0.1:${port}`, `localhost:${port}`].map((host) => withoutDefault(host, port));
}

/** Removes the default port from a host or an origin, because clients may leave it out. */
function withoutDefault(text: string, port: number): string {
  const end = `:${DEFAULT_PORT}`;
  return port === DEFAULT_PORT && text.endsWith(end) ? text.slice(0, -end.length) : text;
}

export interface Asked {
  /** Whether the request may change something. */
  readonly changes: boolean;
  /** Whether the request is for the page itself. */
  readonly isPage: boolean;
}

/** The reason for refusing a request; null when it is allowed. */
export function refusalOf(headers: IncomingHttpHeaders, port: number, { changes, isPage }: Asked): Refusal | null {
  const host = withoutDefault(headers.host ?? '', port);
  if (!ownHosts(port).includes(host)) return { status: 421, error: 'the Host header does not name this server' };
  const { origin } = headers;
  if (origin === undefined ? changes : withoutDefault(origin, port) !== `http://${host}`) return { status: 403, error: 'requests from a different origin are refused' };
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined || site === 'same-origin' || site === 'none';
  // A different site may link to the page, but not to a stream, because an opened stream takes one of the few places for readers.
  if (!isOwn && !(isPage && headers['sec-fetch-mode'] === 'navigate')) return { status: 403, error: 'requests from a different site are refused' };
  return null;
}

/** Compares the given token with the right one in constant time. */
export function isToken(given: string | readonly string[] | undefined, token: string): boolean {
  return timingSafeEqual(digest(typeof given === 'string' ? given : ''), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
