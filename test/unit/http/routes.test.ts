/** The declared routes (`domain/routes.ts`) are exactly the routes of the routers. The type checker cannot check this. */
import { createHash } from 'node:crypto';
import type { Express } from 'express';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OVERVIEW_ENDPOINTS, ROUTE_METHODS, type RouteParameter } from '../../../src/domain/routes.ts';
import { createApp, listenerOf } from '../../../src/http/app.ts';
import { listen, type HttpServer } from '../../../src/http/server.ts';
import { nodeParts } from '../../support/node-over-http.ts';

const TOKEN = 'a-token-of-operators';
const tokenHash = createHash('sha256').update(TOKEN).digest();
const PARAMETERS: Readonly<Record<RouteParameter, string>> = { key: 'a%2Fb', check: 'membership' };

/** The parts of an Express router that this test reads: its routes, and the layers with its nested routers. */
interface Layer {
  readonly route?: { readonly path: string | RegExp };
  readonly handle: { readonly stack?: readonly Layer[] };
}

function routesOf(layers: readonly Layer[]): readonly (string | RegExp)[] {
  return layers.flatMap(({ route, handle }) => (route === undefined ? routesOf(handle.stack ?? []) : [route.path]));
}

const pathOf = (route: string): string => route.replace(/<(\w+)>/, (_, name: RouteParameter) => PARAMETERS[name]);

let app: Express;
let server: HttpServer;
beforeAll(async () => {
  const parts = nodeParts();
  // Turns on all routes that are off by default.
  app = createApp(parts.appOptions, {
    ...parts.appModules,
    metrics: { tokenHash, contentType: 'text/plain', render: async () => '' },
    audit: { tokenHash, reader: { page: () => '{}' }, onSent: () => undefined },
    openApi: async () => '{}',
    attester: { attestation: async () => Buffer.alloc(0) },
  });
  server = await listen({ host: '127.0.0.1', port: 0 }, { listener: listenerOf(app), clock: parts.clock });
});
afterAll(async () => {
  server.destroy();
  await server.drain();
});

describe('a declared route', () => {
  test.each(Object.entries(ROUTE_METHODS))('%s accepts %j and no other method', async (route, methods) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${pathOf(route)}`, { method: 'PATCH', headers: { authorization: `Bearer ${TOKEN}` } });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(methods.toSorted());
  });
});

test('each route of a router is declared', () => {
  const served = routesOf(app.router.stack as unknown as readonly Layer[]);
  expect(served).toEqual(expect.arrayContaining(['/nonce', '/derive', '/readyz/membership', /^\/data\//]));
  // A router does not know the path at which it is mounted.
  const declared = Object.keys(ROUTE_METHODS).map(pathOf).flatMap((path) => [path, path.replace(/^\/kms/, '')]);
  const undeclared = served.filter((route) => !declared.some((path) => (typeof route === 'string' ? route.replace(/^\/readyz\/.*/, '/readyz/membership') === path : route.test(path))));
  expect(undeclared).toEqual([]);
});

test('the overview shows the declared endpoints', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.port}`);
  expect(await answer.json()).toMatchObject({ endpoints: OVERVIEW_ENDPOINTS });
});
