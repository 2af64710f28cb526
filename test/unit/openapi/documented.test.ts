/** A hook in the end-to-end tests compares every answer with the OpenAPI document. The hook must find every difference. */
import { describe, expect, test } from '@jest/globals';
import { undocumented, undocumentedInside, type DocumentedAnswer } from '../../support/documented.ts';

const HEALTH: DocumentedAnswer = { method: 'GET', path: '/health', status: 200, contentType: 'application/json; charset=utf-8', json: { status: 'healthy' } };
const REFUSED = { code: 'bad_request', message: 'no' };
const ENVELOPE = { sender_tee_pubkey: 'ab', nonce: 'cd', encrypted_data: 'ef' };
const DERIVE: DocumentedAnswer = { ...HEALTH, method: 'POST', path: '/kms/derive', json: ENVELOPE };

describe('an answer agrees with the document', () => {
  test.each<[string, Partial<DocumentedAnswer>]>([
    ['when it has exactly the documented fields', {}],
    ['when the path has a query', { path: '/health?x=y' }],
    ['when it is an envelope', DERIVE],
    ['when the path contains a key', { ...DERIVE, method: 'GET', path: '/kms/data/a%2Fb/c' }],
    ['when it is a refusal', { ...DERIVE, status: 400, json: REFUSED }],
    ['when it is a 404 in an envelope', { ...DERIVE, method: 'DELETE', path: '/kms/data', status: 404 }],
    ['when it is plain text', { path: '/livez', contentType: 'text/plain; charset=utf-8', json: undefined }],
    ['when it says that the route does not exist', { path: '/nothing', status: 404, json: REFUSED }],
    ['when it is the answer to a HEAD request and has no body', { method: 'HEAD', json: undefined }],
  ])('%s', (_, answer) => expect(undocumented({ ...HEALTH, ...answer })).toBeNull());
});

describe('the hook finds', () => {
  test.each<[string, Partial<DocumentedAnswer>, string]>([
    ['a missing field', { json: {} }, 'status: '],
    ['a field of the wrong type', { json: { status: 7 } }, 'status: '],
    ['an undocumented field', { json: { status: 'healthy', more: 1 } }, 'more'],
    ['an undocumented status', { status: 418 }, 'the status 418 is not documented'],
    ['an inner body without its envelope', { ...DERIVE, json: { key: 'AAAA' } }, 'sender_tee_pubkey: '],
    ['a different content type', { contentType: 'text/html' }, 'the content type is text/html, not application/json'],
    ['an error in the wrong form', { path: '/nothing', status: 404, json: { error: 'no' } }, 'code: '],
  ])('%s', (_, answer, problem) => expect(undocumented({ ...HEALTH, ...answer })).toContain(problem));

  test('a difference inside an envelope', () => {
    const good = { app_id: 7, path: 'p', key: 'AAAA', length: 3, nonce: 'AAAA' };
    expect(undocumentedInside(DERIVE, good)).toBeNull();
    expect(undocumentedInside(DERIVE, { ...good, secret: 'x' })).toContain('secret');
    expect(undocumentedInside(DERIVE, { ...good, length: '3' })).toContain('length: ');
    expect(undocumentedInside({ ...DERIVE, status: 500 }, good)).toBe('no envelope is documented for this answer');
  });
});
