/**
 * Tells the meter of each request, when its answer has gone or its connection has: the pattern of the route, never a path, which may
 * hold a key.
 */
import type { RequestHandler } from 'express';
import { METERED_ROUTES, type Meter } from '../domain/meter.ts';
import type { Clock } from '../domain/ports.ts';
import { DATA_KEY_PREFIX } from './request-target.ts';

const CHECK_PREFIX = '/readyz/';

/** @param target in the form that the routes match */
export function routeOf(target: string): keyof typeof METERED_ROUTES {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  if (Object.hasOwn(METERED_ROUTES, path) && path.startsWith('/')) return path as keyof typeof METERED_ROUTES;
  if (path.startsWith(DATA_KEY_PREFIX)) return '/kms/data/<key>';
  return path.startsWith(CHECK_PREFIX) ? '/readyz/<check>' : 'none';
}

export function measureRequests(meter: Meter, clock: Pick<Clock, 'monotonicMs'>): RequestHandler {
  return (request, response, next) => {
    const startedMs = clock.monotonicMs();
    meter.requestBegan();
    response.once('close', () => {
      // Where a Router has taken its prefix off, it stands before the rest.
      const route = routeOf(request.baseUrl + request.url);
      const methods: readonly string[] = METERED_ROUTES[route];
      meter.requestEnded({
        route,
        method: methods.includes(request.method) ? request.method : 'other',
        status: response.writableFinished ? response.statusCode : null,
        durationMs: clock.monotonicMs() - startedMs,
      });
    });
    next();
  };
}
