/**
 * From a request to its reply, whatever brought it: stopping, rate limit, gate, route, error table (protocol.md §2). The
 * gate comes before authentication and before the question whether a route under /kms exists.
 */
import { DependencyError, InvariantError, RefusalError } from '../domain/errors.ts';
import { countedClient } from './client-address.ts';
import { replyForError } from './error-table.ts';
import type { Exchange, Reply } from './exchange.ts';
import { assertOpen } from './gate.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { RateLimit } from './rate-limit.ts';
import { createRoutes, DATA_KEY_PATH, GATED_PREFIX, type RateClass } from './routes.ts';

export type Dispatch = (exchange: Exchange) => Promise<Reply>;

function isGated(path: string): boolean {
  return path === GATED_PREFIX || path.startsWith(`${GATED_PREFIX}/`);
}

function onPathMethod(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'].includes(method) ? method : 'OTHER';
}

export function createDispatch(options: HttpOptions, modules: HttpModules): Dispatch {
  const limits = {
    client: new RateLimit(options.rateLimitPerMinute, modules),
    nonce: new RateLimit(options.nonceRateLimitPerMinute, modules),
  };

  const count = (rate: RateClass, exchange: Exchange): void => {
    if (rate === 'none') return;
    const { key, factor } = countedClient(exchange.client, options.trustedProxies.length > 0);
    limits[rate].take(key, factor);
  };
  const routes = createRoutes(options, modules, (exchange) => count('client', exchange));

  const answer = async (exchange: Exchange): Promise<Reply> => {
    const { method, path, dataKey } = exchange;
    if (modules.isStopping()) throw new RefusalError('service_unavailable', 'the node is stopping');
    const onPath = routes.filter((route) => (dataKey === null ? route.path === path : route.path === DATA_KEY_PATH));
    const wanted = method === 'HEAD' ? 'GET' : method;
    const route = onPath.find((candidate) => candidate.method === wanted);
    count(route?.rate ?? 'client', exchange);
    assertOpen(route?.gate ?? (dataKey !== null || isGated(path) ? 'ready' : 'none'), modules.readiness());
    if (route !== undefined) return route.answer(exchange);
    if (onPath.length === 0) throw new RefusalError('not_found', 'there is no such route');
    const allow = onPath.map((candidate) => candidate.method).join(', ');
    const refusal = replyForError(new RefusalError('method_not_allowed', 'the route does not take this method'));
    return { ...refusal, headers: { ...refusal.headers, allow } };
  };

  /** As the log may tell it: no key, nothing that the caller made up. */
  const routeName = ({ method, path, dataKey }: Exchange): string => {
    const route = routes.find((candidate) => candidate.path === (dataKey === null ? path : DATA_KEY_PATH));
    return route === undefined ? 'of no route' : `${onPathMethod(method)} ${route.path}`;
  };

  return async (exchange) => {
    try {
      return await answer(exchange);
    } catch (error) {
      // A refusal tells its caller why; what it was caused by, and all else, is for the log.
      const failed = error instanceof RefusalError ? error.cause : error;
      if (failed !== undefined) modules.failures.note(modules.log, `the request ${routeName(exchange)}`, failed);
      if (error instanceof InvariantError) modules.onBrokenInvariant(error);
      if (error instanceof DependencyError) return replyForError(new RefusalError('service_unavailable', error.message));
      return replyForError(error);
    }
  };
}
