/** The routes (protocol.md §2): who may come in when, and who answers. One table. */
import { appRoute } from './app-route.ts';
import { derive } from './derive.ts';
import { ok, type Exchange, type Reply } from './exchange.ts';
import type { Gate } from './gate.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { nodesBody, statusBody } from './status.ts';
import { syncRoute } from './sync-route.ts';

/** Which limit counts a request before anything else is done for it; `none`: not per client. */
export type RateClass = 'none' | 'client' | 'nonce';

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly gate: Gate;
  readonly rate: RateClass;
  readonly answer: (exchange: Exchange) => Reply | Promise<Reply>;
}

/** Everything below this path is behind the ready gate, also what does not exist. */
export const GATED_PREFIX = '/kms';

const OVERVIEW = {
  service: 'nova-kms-node',
  docs: 'README.md of the project',
  auth: {
    app: ['x-app-signature', 'x-app-nonce', 'x-app-timestamp', 'x-app-wallet (optional)'],
    peer: ['x-kms-signature', 'x-kms-nonce', 'x-kms-timestamp', 'x-kms-wallet (optional)', 'x-sync-signature'],
  },
};

export function createRoutes(options: HttpOptions, modules: HttpModules): readonly Route[] {
  const routes: Route[] = [
    {
      method: 'GET',
      path: '/',
      gate: 'none',
      rate: 'client',
      answer: () => ok({ ...OVERVIEW, endpoints: routes.map(({ method, path }) => `${method} ${path}`) }),
    },
    { method: 'GET', path: '/health', gate: 'none', rate: 'none', answer: () => ok({ status: 'healthy' }) },
    { method: 'GET', path: '/status', gate: 'none', rate: 'client', answer: () => ok(statusBody(options, modules)) },
    { method: 'GET', path: '/nonce', gate: 'none', rate: 'nonce', answer: () => ok({ nonce: modules.nonces.issue() }) },
    { method: 'GET', path: '/nodes', gate: 'none', rate: 'client', answer: () => ok(nodesBody(modules)) },
    {
      method: 'POST',
      path: '/kms/derive',
      gate: 'ready',
      rate: 'client',
      answer: appRoute(options, modules, (appId, inner) => derive(modules.vault, appId, inner)),
    },
    // Not per client: an authenticated peer has a limit of its own.
    { method: 'POST', path: '/sync', gate: 'secret confirmed', rate: 'none', answer: syncRoute(options, modules) },
  ];
  return routes;
}
