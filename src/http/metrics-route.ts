/** `GET /metrics` on the main port (docs/metrics.md), for a reader with the token. */
import { Router } from 'express';
import { requireToken } from './bearer-token.ts';
import type { ClientLimits } from './client-limit.ts';
import { methodNotAllowed } from './unknown-route.ts';

export interface MetricsModules {
  /** `METRICS_TOKEN_SHA256`. */
  readonly tokenHash: Uint8Array;
  readonly contentType: string;
  readonly render: () => Promise<string>;
}

export function metricsRoutes({ tokenHash, contentType, render }: MetricsModules, limits: Pick<ClientLimits, 'open'>): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/metrics')
    .all(requireToken({ tokenHash, realm: 'metrics' }, limits.open))
    .get(async (_request, response) => void response.type(contentType).send(await render()))
    .all(methodNotAllowed);
  return router;
}
