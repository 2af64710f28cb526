/**
 * Reports each request to the meter when its answer has gone or its connection has closed. It reports the pattern of the route, never a
 * path, which may hold a key. The server calls it, because it already watches the end of each answer: a middleware would cost more.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request } from 'express';
import { METERED_ROUTES, type Meter } from '../domain/meter.ts';
import type { Clock } from '../domain/ports.ts';
import { DATA_KEY_PREFIX } from './request-target.ts';

const CHECK_PREFIX = '/readyz/';

/** Called when a request begins. @returns a function to call at its end */
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
      // Express moves the prefix of a Router from `url` to `baseUrl`. Together they are the target.
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
