/**
 * Reports each request to the meter when its answer has been sent or its connection has closed. It reports the pattern of the route, not
 * the path, because a path may contain a key. The server calls this code, because it already watches the end of each answer. A middleware
 * would cost more.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request } from 'express';
import { METERED_ROUTES, type Meter } from '../domain/meter.ts';
import type { Clock } from '../domain/ports.ts';
import type { Route } from '../domain/routes.ts';

/** The routes by their paths. This is a Map, because looking up a newly built string in an object costs four times as much. */
const ROUTES_BY_PATH: ReadonlyMap<string, Route> = new Map(
  Object.keys(METERED_ROUTES)
    .filter((route) => route.startsWith('/') && !route.includes('<'))
    .map((route) => [route, route as Route]),
);
/** Routes that end with a parameter, each with the text before the parameter. */
const ROUTE_PREFIXES = Object.keys(METERED_ROUTES)
  .filter((route) => route.includes('<'))
  .map((route) => ({ prefix: route.slice(0, route.indexOf('<')), route: route as Route }));

/** Called when a request begins. @returns a function to call at its end */
export type MeasureRequest = (request: IncomingMessage, response: ServerResponse) => () => void;

/** @param target in the form that the routes match */
export function routeOf(target: string): keyof typeof METERED_ROUTES {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  return ROUTES_BY_PATH.get(path) ?? ROUTE_PREFIXES.find(({ prefix }) => path.startsWith(prefix))?.route ?? 'none';
}

export function measureRequests(meter: Pick<Meter, 'requestBegan' | 'requestEnded'>, clock: Pick<Clock, 'monotonicMs'>): MeasureRequest {
  return (request, response) => {
    const startedMs = clock.monotonicMs();
    meter.requestBegan();
    return () => {
      // Express moves the prefix of a Router from `url` to `baseUrl`. Joined again, the two are the target of the request.
      const { baseUrl = '', url = '', method = '' } = request as Partial<Pick<Request, 'baseUrl'>> & IncomingMessage;
      const route = routeOf(baseUrl + url);
      meter.requestEnded({
        route,
        method: METERED_ROUTES[route].includes(method) ? method : 'other',
        status: response.writableFinished ? response.statusCode : null,
        durationMs: clock.monotonicMs() - startedMs,
      });
    };
  };
}
