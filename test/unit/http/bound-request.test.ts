/**
 * A caller and a node bind a request and its answer together, so that no party between them can change the meaning of a request. The
 * tests use real HTTP (protocol.md §10: Bound to the request, Next nonce for apps, Long keys, A `+` in a path, Words in errors).
 */
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { appAuthMessage, responseMessage } from '../../../src/crypto/messages.ts';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { parseEnvelope, toWireEnvelope } from '../../../src/domain/envelope.ts';
import type { AppId } from '../../../src/domain/ids.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const APP = 100;
const LONG_KEY = 'k'.repeat(5_000);

let node: NodeOverHttp;
let app: ReturnType<typeof inProcessEnclave>;
beforeEach(async () => {
  app = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('app'), clock: new ManualClock() });
  node = await startNodeOverHttp({ lookup: async (of) => authorizedRecord(BigInt(APP), of, app.emulated.teePubkey) });
});
afterEach(() => node.close());

type Inner = Record<string, unknown>;

interface Asked {
  readonly method?: string;
  readonly path: string;
  /** Returns the inner body, given the nonce of the request. If the inner body is a string, it is sealed unchanged. */
  readonly inner?: (nonce: string) => Inner | string;
  readonly nonce?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Returns the body to send, given the envelope as JSON. */
  readonly body?: (envelope: string) => string | Uint8Array<ArrayBuffer>;
}

async function ask({ method = 'POST', path, inner, nonce = node.nonces.issue(), headers = {}, body = (envelope) => envelope }: Asked) {
  const timestamp = String(Math.floor(node.clock.nowMs() / 1_000));
  const signature = await app.sign(appAuthMessage(nonce, node.identity.wallet, timestamp));
  const given = inner?.(nonce);
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  const envelope = given === undefined ? undefined : JSON.stringify(toWireEnvelope(await app.encrypt(text, node.identity.teePubkey)));
  const answer = await fetch(`${node.url}${path}`, {
    method,
    headers: { 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp, ...headers },
    ...(envelope === undefined ? {} : { body: body(envelope) }),
  });
  const json = (await answer.json()) as Inner;
  const sealed = parseEnvelope(json);
  if (sealed !== null) {
    expect(recoverEip191(responseMessage(signature, node.identity.wallet), answer.headers.get('x-kms-response-signature')!)).toBe(node.identity.wallet);
  }
  const said = sealed === null ? json : (JSON.parse(await app.decrypt(sealed)) as Inner);
  return { status: answer.status, isSealed: sealed !== null, said, nonce, next: answer.headers.get('x-nova-next-nonce') };
}

/** Puts a value directly into the store, as a merge does. */
function hold(key: string, value = 'value'): void {
  node.store.put(String(APP), key, node.vault.sealValue(APP as AppId, Buffer.from(value)), 0, node.clock.nowMs());
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const valueOf = ({ said }: { said: Inner }): string => Buffer.from(String(said['value']), 'base64').toString();

const REQUESTS = [
  { method: 'POST', path: '/kms/derive', op: 'derive', body: { path: 'p' } },
  { method: 'PUT', path: '/kms/data', op: 'put', body: { key: 'k', value: base64('v') } },
  { method: 'DELETE', path: '/kms/data', op: 'delete', body: { key: 'k' } },
];

describe.each(REQUESTS)('$method $path', ({ method, path, op, body }) => {
  beforeEach(() => hold('k'));

  test.each<[string, (nonce: string) => Inner, number]>([
    ['with the right nonce and operation is accepted', (nonce) => ({ nonce, op }), 200],
    ['without a nonce and an operation is accepted', () => ({}), 200],
    ['with only the right nonce is accepted', (nonce) => ({ nonce }), 200],
    ['with a wrong nonce is refused', () => ({ nonce: 'AAAAAAAAAAAAAAAAAAAAAA==', op }), 400],
    ['with null as its nonce is refused', () => ({ nonce: null }), 400],
    ['with a different operation is refused', (nonce) => ({ nonce, op: op === 'put' ? 'delete' : 'put' }), 400],
    ['with an unknown operation is refused', () => ({ op: 'get' }), 400],
  ])('%s', async (_, bond, status) => {
    const before = node.store.rootDigest();
    const answer = await ask({ method, path, inner: (nonce) => ({ ...body, ...bond(nonce) }) });
    expect(answer.status).toBe(status);
    if (status === 200) expect(answer.said['nonce']).toBe(answer.nonce);
    else expect([answer.said['code'], node.store.rootDigest()]).toEqual(['bad_request', before]);
  });
});

test.each([{ value: '' }, { ttl_ms: 0 }])('a delete with a field that only writes may have is refused and deletes nothing: %j', async (fields) => {
  hold('k');
  expect((await ask({ method: 'DELETE', path: '/kms/data', inner: () => ({ key: 'k', ...fields }) })).status).toBe(400);
  expect(node.store.get(String(APP), 'k', node.clock.nowMs())).not.toBeNull();
});

test.each<[string, Inner]>([
  ['/kms/data', { prefix: null, after: null, limit: null }],
  ['/kms/data?prefix=a%20b&after=a&limit=7', { prefix: 'a b', after: 'a', limit: 7 }],
  ['/kms/data?limit=99999', { prefix: null, after: null, limit: 99_999 }],
])('the answer to a listing repeats the parameters as the node has read them: %s', async (path, understood) => {
  const { said, nonce } = await ask({ method: 'GET', path });
  expect(said).toMatchObject({ ...understood, nonce });
});

describe('a 404 for a key', () => {
  const ABSENT: Asked[] = [
    { method: 'GET', path: '/kms/data/k' },
    { method: 'GET', path: '/kms/data?key=k' },
    { method: 'DELETE', path: '/kms/data', inner: () => ({ key: 'k' }) },
  ];

  test.each(ABSENT)('is sealed and contains the nonce if the caller asks for sealed errors: $method $path', async (asked) => {
    const { status, isSealed, said, nonce } = await ask({ ...asked, headers: { 'x-nova-sealed-errors': '1' } });
    expect([status, isSealed, said]).toEqual([404, true, { code: 'not_found', message: 'there is no such key', nonce }]);
  });

  test.each(ABSENT)('is plain for all other callers: $method $path', async (asked) => {
    const { status, isSealed, said } = await ask(asked);
    expect([status, isSealed, said]).toEqual([404, false, { code: 'not_found', message: 'there is no such key' }]);
  });
});

describe('the next nonce', () => {
  const WANTED = { 'x-nova-next-nonce': '1' };

  test('is part of the answer if the caller requests it, and is valid only once', async () => {
    const { next } = await ask({ path: '/kms/derive', inner: () => ({ path: 'p' }), headers: WANTED });
    const following: Asked = { path: '/kms/derive', inner: () => ({ path: 'p' }), nonce: next! };
    expect([(await ask(following)).status, (await ask(following)).status]).toEqual([200, 403]);
  });

  test('is also part of a refusal if the caller has proved its identity', async () => {
    expect((await ask({ method: 'GET', path: '/kms/data/k', headers: WANTED })).next).not.toBeNull();
    expect((await ask({ path: '/kms/derive', inner: () => ({}), headers: WANTED })).next).not.toBeNull();
    expect((await ask({ path: '/kms/derive', inner: () => ({ path: 'p' }), nonce: 'AAAA', headers: WANTED })).next).toBeNull();
  });

  test('is not part of the answer if the caller does not request it', async () => {
    expect((await ask({ path: '/kms/derive', inner: () => ({ path: 'p' }) })).next).toBeNull();
  });
});

describe('a key that is too long for apps to write', () => {
  test('can be read and deleted, but not written', async () => {
    hold(LONG_KEY, 'long');
    expect(valueOf(await ask({ method: 'GET', path: `/kms/data/${LONG_KEY}` }))).toBe('long');
    expect((await ask({ method: 'PUT', path: '/kms/data', inner: () => ({ key: LONG_KEY, value: '' }) })).status).toBe(400);
    expect((await ask({ method: 'DELETE', path: '/kms/data', inner: () => ({ key: LONG_KEY }) })).status).toBe(200);
    expect((await ask({ method: 'GET', path: `/kms/data/${LONG_KEY}` })).status).toBe(404);
  });

  test.each([[64 * 1024, 404], [64 * 1024 + 1, 400]])('(here %i bytes long): a delete is answered with the status %i', async (bytes, status) => {
    expect((await ask({ method: 'DELETE', path: '/kms/data', inner: () => ({ key: 'x'.repeat(bytes) }) })).status).toBe(status);
  });
});

describe('a path with a + or an encoded space:', () => {
  test.each<[string, readonly string[], string]>([
    ['/kms/data/a+b', ['a b'], 'a b'],
    ['/kms/data/a+b', ['a+b'], 'a+b'],
    ['/kms/data/a+b', ['a b', 'a+b'], 'a b'],
    ['/kms/data/a%2Bb', ['a b', 'a+b'], 'a+b'],
    ['/kms/data/a%20b', ['a b', 'a+b'], 'a b'],
    ['/kms/data/a%2Fb+c%2Bd', ['a/b c+d'], 'a/b c+d'],
  ])('%s finds, among the stored keys %j, the key %j', async (path, held, found) => {
    for (const key of held) hold(key, key);
    const answer = await ask({ method: 'GET', path });
    expect([answer.status, answer.said['key'], valueOf(answer)]).toEqual([200, found, found]);
  });

  test('/kms/data/a+b finds no key if none is stored', async () => {
    expect((await ask({ method: 'GET', path: '/kms/data/a+b' })).status).toBe(404);
  });
});

describe('a body', () => {
  const DERIVE: Asked = { path: '/kms/derive', inner: () => ({ path: 'p' }) };

  test('may begin with a byte order mark, outside and inside the envelope', async () => {
    expect((await ask({ ...DERIVE, body: (envelope) => `\ufeff${envelope}` })).status).toBe(200);
    expect((await ask({ ...DERIVE, inner: () => '\ufeff{"path":"p"}' })).status).toBe(200);
    expect((await ask({ ...DERIVE, body: (envelope) => `\ufeff\ufeff${envelope}` })).status).toBe(400);
  });

  test.each(['gzip', 'deflate', 'br', 'identity, gzip', 'GZIP'])('in the content coding %s is refused with 415', async (coding) => {
    const answer = await ask({ ...DERIVE, headers: { 'content-encoding': coding }, body: (envelope) => new Uint8Array(gzipSync(envelope)) });
    expect([answer.status, answer.said['code']]).toEqual([415, 'unsupported_media_type']);
  });

  test('in the content coding "identity" is accepted', async () => {
    expect((await ask({ ...DERIVE, headers: { 'content-encoding': 'Identity' } })).status).toBe(200);
  });
});

test.each(['9007199254740992', '18446744073709551615'])('a lifetime of %s ms means no expiry', async (ttl) => {
  expect((await ask({ method: 'PUT', path: '/kms/data', inner: () => `{"key":"k","value":"","ttl_ms":${ttl}}` })).status).toBe(200);
  expect(node.store.recordOf(String(APP), 'k')?.ttl_ms).toBe(0);
});

test('the error message for an invalid timeout contains no words from which the platform’s client concludes that the node is dead', async () => {
  const body = { key: 'k', value: '', acks: 1 };
  const { said } = await ask({ method: 'PUT', path: '/kms/data', inner: () => ({ ...body, timeout_ms: -1 }) });
  expect(said['message']).not.toMatch(/timeout|timed out|connection refused|connection reset|broken pipe|dns error|not found/i);
});
