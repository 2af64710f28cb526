/** The OpenAPI document is generated from the schemas that parse the bodies. It is complete, and all copies of it are the same. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { apiPage, type Document } from '../../../scripts/openapi/page.ts';
import { MAX_DERIVED_KEY_BYTES } from '../../../src/domain/limits.ts';
import { PACKAGE_VERSION } from '../../../src/node/package-version.ts';
import { openApiDocument } from '../../../src/openapi/document.ts';
import { snapshotRequest } from '../../../src/sync/messages.ts';
import { startNodeOverHttp } from '../../support/node-over-http.ts';

const DOCS = join(import.meta.dirname, '..', '..', '..', 'docs');
const document = openApiDocument(PACKAGE_VERSION) as unknown as Document & { readonly openapi: string };
const schemas = document.components.schemas;

/** Zod does not know `dependentRequired`, which has its own test. */
const formOf = (name: string) => z.fromJSONSchema({ ...schemas[name], dependentRequired: undefined } as unknown as Parameters<typeof z.fromJSONSchema>[0]);

describe('the document is the same', () => {
  test('in docs/openapi.json (npm run openapi:update)', () => {
    expect(JSON.parse(readFileSync(join(DOCS, 'openapi.json'), 'utf8'))).toEqual(document);
  });

  test('in docs/api.md, where it is written as a page for people (npm run openapi:update)', () => {
    expect(readFileSync(join(DOCS, 'api.md'), 'utf8')).toBe(apiPage(document));
  });

  test('at /openapi.json of a node, which builds it only once', async () => {
    let made = 0;
    const node = await startNodeOverHttp({
      openApi: async () => {
        made += 1;
        return JSON.stringify(document);
      },
    });
    for (let asked = 0; asked < 2; asked += 1) {
      const answer = await fetch(`${node.url}/openapi.json`);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
      expect(await answer.json()).toEqual(document);
    }
    expect((await fetch(`${node.url}/openapi.json`, { method: 'POST' })).status).toBe(405);
    expect(made).toBe(1);
    await node.close();
  });
});

test('the document contains exactly the schemas that it refers to', () => {
  const named = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!);
  expect(new Set(named)).toEqual(new Set(Object.keys(schemas)));
});

test('each operation in the document has a unique id', () => {
  const ids = Object.values(document.paths).flatMap((operations) => Object.values(operations).map((operation) => (operation as unknown as { readonly operationId: string }).operationId));
  expect(new Set(ids).size).toBe(ids.length);
});

test('the document describes the body of an encrypted route as an envelope, and also describes the content of the envelope', () => {
  for (const [path, operations] of Object.entries(document.paths)) {
    if (!path.startsWith('/kms/') && path !== '/sync') continue;
    for (const { responses, requestBody } of Object.values(operations)) {
      for (const body of [responses['200'], requestBody]) {
        if (body === undefined) continue;
        expect(body.content['application/json']!.schema).toMatchObject({ $ref: '#/components/schemas/Envelope', 'x-nova-inner': expect.anything() });
      }
    }
  }
});

test('a snapshot request that names buckets must also name their app, in the document and in the schema that parses it', () => {
  expect(schemas['SnapshotRequest']).toMatchObject({ dependentRequired: { buckets: ['app'] } });
  expect([{ buckets: [] }, { buckets: [], app: '7' }, { app: '7' }, {}].map((request) => snapshotRequest.safeParse(request).success)).toEqual([false, true, true, true]);
});

describe('an inner request', () => {
  test.each<[string, object]>([
    ['DeriveRequest', { path: 'p' }],
    ['DeriveRequest', { path: 'p', context: 'c', length: MAX_DERIVED_KEY_BYTES, op: 'derive', nonce: 'AAAA' }],
    ['PutRequest', { key: 'k', value: 'dmFsdWU=', ttl_ms: 5, acks: 1, timeout_ms: 10 }],
    ['DeleteRequest', { key: 'k' }],
    ['SnapshotRequest', { type: 'snapshot_request', app: '7', buckets: [0, 255] }],
    ['DeltaRequest', { type: 'delta', data: { 7: [] } }],
  ])('of the type %s may be %j', (name, inner) => {
    expect(formOf(name).safeParse(inner).success).toBe(true);
  });

  test.each<[string, object]>([
    ['DeriveRequest', { path: 'p', length: MAX_DERIVED_KEY_BYTES + 1 }],
    ['DeriveRequest', { path: 'p', length: 32.5 }],
    ['DeriveRequest', { path: 'p', op: 'put' }],
    ['DeriveRequest', {}],
    ['PutRequest', { key: 'k' }],
    ['PutRequest', { key: '', value: '' }],
    ['DeleteRequest', { key: 'k', value: '' }],
    ['SnapshotRequest', { type: 'snapshot_request', buckets: [256] }],
    ['DeltaRequest', { type: 'delta', data: 'x' }],
  ])('of the type %s may not be %j', (name, inner) => {
    expect(formOf(name).safeParse(inner).success).toBe(false);
  });
});
