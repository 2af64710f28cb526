/**
 * Every route of a node (protocol.md §2, §10), declared once. This list determines the overview at `/`, the set of metered routes, the
 * operations of the OpenAPI document, and the paths that the fuzzer requests. The routers of `http` define what each route does.
 */

/** The routes that the overview shows, in the order shown: a method and a path, with parameters in angle brackets. */
export const OVERVIEW_ENDPOINTS = [
  'GET /',
  'GET /health',
  'GET /livez',
  'GET /readyz',
  'GET /readyz/<check>',
  'GET /openapi.json',
  'GET /status',
  'GET /nonce',
  'GET /nodes',
  'POST /kms/derive',
  'GET /kms/data',
  'GET /kms/data/<key>',
  'PUT /kms/data',
  'DELETE /kms/data',
  'POST /sync',
  'POST /.well-known/attestation',
] as const;

/** Routes for readers with a token; they are off by default, and the overview leaves them out. */
const TOKEN_ENDPOINTS = ['GET /metrics', 'GET /audit'] as const;

const ENDPOINTS = [...OVERVIEW_ENDPOINTS, ...TOKEN_ENDPOINTS];

export type Endpoint = (typeof ENDPOINTS)[number];
type RouteOf<Given extends Endpoint> = Given extends `${string} ${infer Path}` ? Path : never;
/** The path of an endpoint. */
export type Route = RouteOf<Endpoint>;
type ParameterOf<Given extends Route> = Given extends `${string}<${infer Name}>` ? Name : never;
/** A parameter is the last part of its path. */
export type RouteParameter = ParameterOf<Route>;

/** @returns the method, in upper case, and the route */
export function partsOf(endpoint: Endpoint): readonly [method: string, route: Route] {
  return endpoint.split(' ') as [string, Route];
}

/** The methods that each route accepts, in upper case. */
export const ROUTE_METHODS: Readonly<Record<Route, readonly string[]>> = methodsByRoute();

function methodsByRoute(): Record<Route, string[]> {
  const methods: Partial<Record<Route, string[]>> = {};
  for (const [method, route] of ENDPOINTS.map(partsOf)) (methods[route] ??= []).push(method);
  return methods as Record<Route, string[]>;
}
