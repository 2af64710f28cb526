/**
 * Bearer tokens for the operators' routes (RFC 6750). A node knows only the SHA-256 of a token, because the environment of a node is
 * public. Rate limits do not count requests with the right token, so strangers cannot use up an operator's requests.
 */
import type { RequestHandler } from 'express';
import { constantTimeEqual, sha256 } from '../crypto/hash.ts';

/** A token has at most 1,024 characters. */
const BEARER = /^Bearer +([\x21-\x7e]{1,1024})$/i;

export interface TokenOptions {
  /** SHA-256 of the token: 32 bytes. */
  readonly tokenHash: Uint8Array;
  /** What the token is for, in one word. */
  readonly realm: string;
}

/** Answers 401 to a request without the right token. @param limit the rate limit for such requests */
export function requireToken({ tokenHash, realm }: TokenOptions, limit: RequestHandler): RequestHandler {
  return (request, response, next) => {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (token !== undefined && constantTimeEqual(sha256(token), tokenHash)) {
      next();
      return;
    }
    void limit(request, response, () => {
      response.set('www-authenticate', `Bearer realm="${realm}"`).status(401).json({ code: 'unauthorized', message: `the token for ${realm} is missing or wrong` });
    });
  };
}
