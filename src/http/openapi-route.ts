/**
 * `GET /openapi.json`: the document of all routes. It is made for the first request, and its bytes are kept. All answers share these bytes,
 * so they do not count towards the limit on bytes in flight.
 */
import { Router } from 'express';
import type { ClientLimits } from './client-limit.ts';
import { methodNotAllowed } from './unknown-route.ts';

/** @param makeDocument returns the document as JSON */
export function openApiRoutes(makeDocument: () => Promise<string>, limits: Pick<ClientLimits, 'general' | 'open'>): Router {
  let made: Promise<Buffer> | null = null;
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/openapi.json')
    .get(limits.open, async (_request, response) => {
      made ??= makeDocument().then((text) => Buffer.from(text));
      response.type('json').send(await made);
    })
    .all(limits.general, methodNotAllowed);
  return router;
}
