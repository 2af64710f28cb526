/** Refuses requests that no route accepts, in the JSON form of all errors (protocol.md §2). */
import type { RequestHandler } from 'express';
import { RefusalError } from '../domain/errors.ts';

export const notFound: RequestHandler = () => {
  throw new RefusalError('not_found', 'there is no such route');
};

/** The last handler of a route: `router.route(path).get(..).all(methodNotAllowed)`. */
export const methodNotAllowed: RequestHandler = (request, response) => {
  const { methods } = request.route as { readonly methods: Readonly<Record<string, boolean>> };
  const allowed = Object.keys(methods).filter((method) => method !== '_all');
  response.set('allow', allowed.map((method) => method.toUpperCase()).join(', '));
  throw new RefusalError('method_not_allowed', 'the route does not accept this method');
};
