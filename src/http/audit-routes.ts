/** `GET /audit?after=SEQ&limit=N` (docs/audit.md): pages of the audit log, for a reader with the token. */
import { Router } from 'express';
import { RefusalError } from '../domain/errors.ts';
import { requireToken } from './bearer-token.ts';
import type { ClientLimits } from './client-limit.ts';
import { readQuery } from './query.ts';
import { methodNotAllowed } from './unknown-route.ts';

/** Maximum number of entries in a page, and the default. */
const MAX_PAGE_ENTRIES = 1_000;

export interface AuditModules {
  /** `AUDIT_TOKEN_SHA256`. */
  readonly tokenHash: Uint8Array;
  readonly reader: {
    /** A page as JSON. @param after the number of the last entry that the reader has; 0 if it has none */
    page(after: number, limit: number): string;
  };
  /** Called with the arguments of `page` when that page has been sent. */
  readonly onSent: (after: number, limit: number) => void;
}

export function auditRoutes({ tokenHash, reader, onSent }: AuditModules, limits: Pick<ClientLimits, 'open'>): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/audit')
    .all(requireToken({ tokenHash, realm: 'audit' }, limits.open))
    .get((request, response) => {
      const at = request.url.indexOf('?');
      const asked = readQuery(at === -1 ? '' : request.url.slice(at + 1), ['after', 'limit']);
      const after = wholeNumber('after', asked['after'], 0, Number.MAX_SAFE_INTEGER);
      const limit = wholeNumber('limit', asked['limit'], MAX_PAGE_ENTRIES, MAX_PAGE_ENTRIES);
      const page = reader.page(after, limit);
      // This handler also runs for HEAD, whose answer does not contain the page.
      if (request.method === 'GET') response.once('finish', () => onSent(after, limit));
      response.type('json').send(page);
    })
    .all(methodNotAllowed);
  return router;
}

/** Parses a number from the query. A number above `max` is lowered to `max`. @throws RefusalError bad_request */
function wholeNumber(name: 'after' | 'limit', text: string | undefined, fallback: number, max: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text)) || (name === 'limit' && Number(text) === 0)) throw new RefusalError('bad_request', `${name} is not a valid number`);
  return Math.min(Number(text), max);
}
