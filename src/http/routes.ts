/** The routes (protocol.md §2): who may come in when, and who answers. One table. */
import { appQuery, appRoute } from './app-route.ts';
import { DataHandlers } from './data.ts';
import { derive } from './derive.ts';
import { ok, type Exchange, type Reply } from './exchange.ts';
import type { Gate } from './gate.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { decodePercent } from './query.ts';
import { nodesBody, statusBody } from './status.ts';
import { syncRoute } from './sync-route.ts';

/** Which limit counts a request before anything else is done for it; `none`: nobody, or the handler itself. */
export type RateClass = 'none' | 'client' | 'nonce';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly gate: Gate;
  readonly rate: RateClass;
  readonly answer: (exchange: Exchange) => Reply | Promise<Reply>;
}

/** Everything below this path is behind the ready gate, also what does not exist. */
export const GATED_PREFIX = '/kms';

/** A key under this prefix may hold anything, slashes too. */
export const DATA_KEY_PREFIX = '/kms/data/';
export const DATA_KEY_PATH = `${DATA_KEY_PREFIX}<key>`;

const OVERVIEW = {
  service: 'nova-kms-node',
  docs: 'README.md of the project',
  auth: {
    app: ['x-app-signature', 'x-app-nonce', 'x-app-timestamp', 'x-app-wallet (optional)'],
    peer: ['x-kms-signature', 'x-kms-nonce', 'x-kms-timestamp', 'x-kms-wallet (optional)', 'x-sync-signature'],
  },
};

export function createRoutes(
  options: HttpOptions,
  modules: HttpModules,
  countClient: (exchange: Exchange) => void,
): readonly Route[] {
  const data = new DataHandlers({ maxValueBytes: options.maxValueBytes }, modules);
  const kms = { gate: 'ready', rate: 'client' } as const;
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
    { ...kms, method: 'POST', path: '/kms/derive', answer: appRoute(options, modules, (appId, inner) => derive(modules.vault, appId, inner)) },
    { ...kms, method: 'GET', path: '/kms/data', answer: appQuery(modules, (appId, { query }) => data.query(appId, query)) },
    { ...kms, method: 'GET', path: DATA_KEY_PATH, answer: appQuery(modules, (appId, { dataKey }) => data.read(appId, decodePercent(dataKey ?? '', 'path'))) },
    { ...kms, method: 'PUT', path: '/kms/data', answer: appRoute(options, modules, (appId, inner) => data.put(appId, inner)) },
    { ...kms, method: 'DELETE', path: '/kms/data', answer: appRoute(options, modules, (appId, inner) => data.delete(appId, inner)) },
    // The handler counts: a peer by its wallet, whoever proves to be none by its address.
    { method: 'POST', path: '/sync', gate: 'secret confirmed', rate: 'none', answer: syncRoute(options, modules, countClient) },
  ];
  return routes;
}
