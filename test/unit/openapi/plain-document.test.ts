/** The document for schemathesis describes requests as they are before sealing and signing, without envelopes and signatures. */
import { describe, expect, test } from '@jest/globals';
import { openApiDocument } from '../../../src/openapi/document.ts';
import { plainDocument } from '../../schemathesis/plain-document.ts';

const document = openApiDocument('test');
const plain = plainDocument(document, { PutRequest: { nonce: 'n' } }) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
};

describe('the plain document', () => {
  test('has inner bodies instead of envelopes', () => {
    expect(JSON.stringify(document['paths'])).toContain('#/components/schemas/Envelope');
    expect(JSON.stringify(plain.paths)).not.toContain('#/components/schemas/Envelope');
    expect(plain.paths['/kms/derive']!['post']).toMatchObject({
      requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/DeriveRequest' } } } },
      responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/DeriveAnswer' } } } } },
    });
  });

  test('requires operator tokens, but no signatures', () => {
    expect(plain.paths['/audit']!['get']).toMatchObject({ security: [{ operator: [] }] });
    for (const path of ['/kms/data', '/sync']) for (const operation of Object.values(plain.paths[path]!)) expect(operation).toMatchObject({ security: [] });
  });

  test('allows only the given value in a field that only the caller can know, and leaves the original document unchanged', () => {
    expect(plain.components.schemas['PutRequest']).toMatchObject({ properties: { nonce: { const: 'n' } } });
    expect(document).toEqual(openApiDocument('test'));
  });
});
