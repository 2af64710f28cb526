/**
 * Tells the meter of each request, when its answer has gone or its connection has: the pattern of the route, never a path, which may
 * hold a key. The server calls it, which looks at the end of each answer anyway: a middleware would cost every request more.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request } from 'express';
import { METERED_ROUTES, type Meter } from '../domain/meter.ts';
import type { Clock } from '../domain/ports.ts';
import { DATA_KEY_PREFIX } from './request-target.ts';

const CHECK_PREFIX = '/readyz/';

/** A request has begun. @returns to be called at its end */
export type MeasureRequest = (request: IncomingMessage, response: ServerResponse) => () => void;

/** @param target in the form that the routes match */
export function routeOf(target: string): keyof typeof METERED_ROUTES {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  if (Object.hasOwn(METERED_ROUTES, path) && path.startsWith('/')) return path as keyof typeof METERED_ROUTES;
  if (path.startsWith(DATA_KEY_PREFIX)) return '/kms/data/<key>';
  return path.startsWith(CHECK_PREFIX) ? '/readyz/<check>' : 'none';
}

export function measureRequests(meter: Pick<Meter, 'requestBegan' | 'requestEnded'>, clock: Pick<Clock, 'monotonicMs'>): MeasureRequest {
  return (request, response) => {
    const startedMs = clock.monotonicMs();
    meter.requestBegan();
    return () => {
      // As Express leaves it: where a Router has taken its prefix off, that stands before the rest.
      const { baseUrl = '', url = '', method = '' } = request as Partial<Pick<Request, 'baseUrl'>> & IncomingMessage;
      const route = routeOf(baseUrl + url);
      const methods: readonly string[] = METERED_ROUTES[route];
      meter.requestEnded({
        route,
        method: methods.includes(method) ? method : 'other',
        status: response.writableFinished ? response.statusCode : null,
        durationMs: clock.monotonicMs() - startedMs,
      });
    };
  };
}
