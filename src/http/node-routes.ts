/** Routes outside `/kms` (protocol.md §2): those that operators, monitors and callers read, and `/sync`. */
import { Router, type ErrorRequestHandler, type RequestHandler } from 'express';
import type { NonceBook } from '../auth/nonce-book.ts';
import { OVERVIEW_ENDPOINTS } from '../domain/routes.ts';
import type { ClientLimits } from './client-limit.ts';
import { nodesBody, statusBody, type StatusModules, type StatusOptions } from './status.ts';
import { sendJson } from './json-answer.ts';
import type { OpenAnswers } from './open-answers.ts';
import { methodNotAllowed } from './unknown-route.ts';

export interface NodeModules {
  readonly status: StatusModules;
  readonly nonces: Pick<NonceBook, 'issue'>;
}

const OVERVIEW = {
  service: 'nova-kms-node',
  docs: '/openapi.json, and README.md of the project',
  auth: {
    app: ['x-app-signature', 'x-app-nonce', 'x-app-timestamp', 'x-app-wallet (optional)'],
    peer: ['x-kms-signature', 'x-kms-nonce', 'x-kms-timestamp', 'x-kms-wallet (optional)', 'x-sync-signature'],
  },
  endpoints: OVERVIEW_ENDPOINTS,
};

/** @param refuseStopping runs first here, because `app.ts` uses this router before it applies `refuseStopping` to the other routes */
export function nonceRoute({ nonces }: Pick<NodeModules, 'nonces'>, limits: Pick<ClientLimits, 'general' | 'nonce'>, refuseStopping: RequestHandler): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/nonce')
    .all(refuseStopping)
    .get(limits.nonce, (_request, response) => sendJson(response, 200, { nonce: nonces.issue() }))
    .all([limits.general, methodNotAllowed]);
  return router;
}

export function nodeRoutes(options: StatusOptions, { status }: Pick<NodeModules, 'status'>, limits: ClientLimits, sync: (RequestHandler | ErrorRequestHandler)[], answers: OpenAnswers): Router {
  const refuse = [limits.general, methodNotAllowed];
  const router = Router({ caseSensitive: true, strict: true });
  // `/sync` has no limit here, because its handlers count a peer's request against the limit of the peer's wallet, and any other request
  // against the limit of its client.
  router.route('/sync').post(sync).all(refuse);
  router.route('/health').get((_request, response) => sendJson(response, 200, { status: 'healthy' })).all(refuse);
  router.route('/status').get(limits.open, (_request, response) => answers.send(response, statusBody(options, status))).all(refuse);
  router.route('/nodes').get(limits.open, (_request, response) => answers.send(response, nodesBody(status))).all(refuse);
  router.route('/').get(limits.open, (_request, response) => sendJson(response, 200, OVERVIEW)).all(refuse);
  return router;
}
