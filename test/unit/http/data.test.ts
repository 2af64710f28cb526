/**
 * `/kms/data` (protocol.md §2, §3, §10; §9.6, §9.7, §9.21) over a real socket, signed and sealed: what apps store, read, list and delete,
 * and which keys they may use. Request lines are written as raw bytes, because URL clients rewrite them.
 */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { appAuthMessage, responseMessage } from '../../../src/crypto/messages.ts';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { parseEnvelope, toWireEnvelope } from '../../../src/domain/envelope.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, memberOf, READY, startNodeOverHttp, type NodeOverHttp, type NodeOverHttpOptions } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const INFO = 'capsule-ecdh-aes256gcm-v1';
const VALUE_LIMIT = 1_048_576;
const PEER = memberOf(`0x${'bb'.repeat(20)}` as Wallet, 'bb' as TeePubkey);

interface App {
  readonly id: bigint;
  readonly enclave: ReturnType<typeof inProcessEnclave>;
}

function bootApp(id: bigint): App {
  return { id, enclave: inProcessEnclave({ info: INFO }, { random: new SeededRandom(`app ${id}`), clock: new ManualClock() }) };
}

let node: NodeOverHttp;
let app: App;
let otherApp: App;
afterEach(() => node.close());

async function start(options: NodeOverHttpOptions = {}): Promise<void> {
  app = bootApp(100n);
  otherApp = bootApp(200n);
  node = await startNodeOverHttp({
    lookup: async (wallet) => {
      const { id, enclave } = wallet === otherApp.enclave.emulated.wallet ? otherApp : app;
      return authorizedRecord(id, wallet, enclave.emulated.teePubkey);
    },
    ...options,
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The inner body if there is one, otherwise the body of the error. */
  readonly body: Record<string, unknown>;
}

async function proof({ enclave }: App): Promise<Record<string, string>> {
  const nonce = node.nonces.issue();
  const timestamp = String(Math.floor(node.clock.nowMs() / 1000));
  const signature = await enclave.sign(appAuthMessage(nonce, node.identity.wallet, timestamp));
  return { 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp };
}

/** Checks that the answer is sealed and signed, and opens its envelope. */
async function opened(status: number, headers: Answer['headers'], text: string, sent: Readonly<Record<string, string>>, from: App): Promise<Answer> {
  const json = JSON.parse(text) as Record<string, unknown>;
  if (status !== 200) return { status, headers, body: json };
  const signature = headers['x-kms-response-signature'] ?? '';
  expect(recoverEip191(responseMessage(sent['x-app-signature']!, node.identity.wallet), signature)).toBe(node.identity.wallet);
  const sealed = parseEnvelope(json)!;
  expect(sealed.senderPubkey).toBe(node.identity.teePubkey);
  const { nonce, ...body } = JSON.parse(await from.enclave.decrypt(sealed)) as Record<string, unknown>;
  expect(nonce).toBe(sent['x-app-nonce']);
  return { status, headers, body };
}

/** Sends a request whose inner body is sealed for the node. */
async function send(method: 'PUT' | 'DELETE' | 'POST', inner: unknown, { from = app, path = '/kms/data' } = {}): Promise<Answer> {
  const body = JSON.stringify(toWireEnvelope(await from.enclave.encrypt(JSON.stringify(inner), node.identity.teePubkey)));
  const headers = { ...(await proof(from)), 'content-type': 'application/json', 'content-length': String(body.length) };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = httpRequest({ host: '127.0.0.1', port: node.port, method, path, headers, agent: false }, (answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('end', () => {
      const received = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
      opened(answer.statusCode!, received, Buffer.concat(chunks).toString(), headers, from).then(resolve, reject);
    });
  });
  sent.on('error', reject);
  sent.end(body);
  return promise;
}

/** Sends a request without a body. The target is sent exactly as given. */
async function raw(target: string | Buffer, { method = 'GET', from = app }: { method?: string; from?: App } = {}): Promise<Answer> {
  const headers = await proof(from);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(node.port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.once('error', reject);
  socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  const lines = Object.entries({ host: 'node', connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(Buffer.concat([Buffer.from(`${method} `), Buffer.from(target), Buffer.from(` HTTP/1.1\r\n${lines.join('')}\r\n`)]));
  const answer = await promise;
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  const [statusLine = '', ...headerLines] = head.split('\r\n');
  const received = Object.fromEntries(headerLines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]));
  return opened(Number(statusLine.split(' ')[1]), received, rest.join('\r\n\r\n'), headers, from);
}

const base64 = (value: string | Uint8Array): string => Buffer.from(value).toString('base64');

async function put(key: string, value: string | Uint8Array = 'value', more: object = {}, from = app): Promise<Answer> {
  return send('PUT', { key, value: base64(value), ...more }, { from });
}

async function valueOf(key: string, from = app): Promise<string | null> {
  const { status, body } = await raw(`/kms/data?key=${encodeURIComponent(key)}`, { from });
  return status === 404 ? null : Buffer.from(body['value'] as string, 'base64').toString();
}

/** All state that a request could change. */
function stateOfStore(): unknown {
  return { root: node.store.rootDigest(), last: node.store.lastSequenceNumber, held: node.store.heldBytes };
}

describe('a value', () => {
  test('can be read by path and by query, and the answers are sealed and signed', async () => {
    await start();
    const written = await put('k', 'a value');
    expect(written).toMatchObject({ status: 200, body: { app_id: 100, key: 'k', updated_at_ms: node.clock.nowMs() } });
    const expected = { app_id: 100, key: 'k', value: base64('a value'), updated_at_ms: written.body['updated_at_ms'] };
    expect((await raw('/kms/data/k')).body).toEqual(expected);
    expect((await raw('/kms/data?key=k')).body).toEqual(expected);
  });

  test('that is empty is read as an empty value, not as null (§9.21)', async () => {
    await start();
    expect((await put('k', '')).status).toBe(200);
    expect((await raw('/kms/data/k')).body['value']).toBe('');
  });

  test('is replaced by the next write, which gets a later time even if the clock does not advance', async () => {
    await start();
    const first = await put('k', 'first');
    const second = await put('k', 'second');
    expect(await valueOf('k')).toBe('second');
    expect(second.body['updated_at_ms']).toBe((first.body['updated_at_ms'] as number) + 1);
  });

  test('belongs to the app that wrote it', async () => {
    await start();
    await put('k', 'of the app');
    expect(await valueOf('k', otherApp)).toBeNull();
    await put('k', 'of the other', {}, otherApp);
    expect([await valueOf('k'), await valueOf('k', otherApp)]).toEqual(['of the app', 'of the other']);
    await send('DELETE', { key: 'k' }, { from: otherApp });
    expect((await raw('/kms/data')).body['keys']).toEqual(['k']);
  });

  test('is stored only in encrypted form, which is 28 bytes longer than the value', async () => {
    await start();
    await put('k', 'a readable value');
    const record = node.store.recordOf('100', 'k')!;
    expect(Buffer.from(record.value!, 'hex').includes('a readable value')).toBe(false);
    expect(record.value).toHaveLength(2 * (16 + 28));
  });

  test('may be exactly as long as the limit for values, because all other limits are larger (§9.6)', async () => {
    await start();
    const value = Buffer.alloc(VALUE_LIMIT, 7);
    expect((await put('k', value)).status).toBe(200);
    const { body } = await raw('/kms/data/k');
    expect(Buffer.from(body['value'] as string, 'base64').equals(value)).toBe(true);
  });

  test.each([1, 2, 3, 100_000])('that is %d bytes longer than the limit is refused', async (more) => {
    await start();
    await put('k', 'old');
    const before = stateOfStore();
    const answer = await put('k', Buffer.alloc(VALUE_LIMIT + more, 7));
    expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    expect(stateOfStore()).toEqual(before);
  });

  test.each([0, 1, 2, 3, 10])('may have exactly %d bytes if that is the limit, but not one byte more', async (maxValueBytes) => {
    await start({ maxValueBytes });
    expect((await put('k', 'x'.repeat(maxValueBytes))).status).toBe(200);
    expect((await put('l', 'x'.repeat(maxValueBytes + 1))).status).toBe(413);
    expect(node.store.list('100', {}, node.clock.nowMs()).keys).toEqual(['k']);
  });

  test('with a lifetime can be read until its lifetime has ended, and is absent after that', async () => {
    await start();
    await put('k', 'value', { ttl_ms: 5_000 });
    await node.clock.advance(5_000);
    expect(await valueOf('k')).toBe('value');
    await node.clock.advance(1);
    expect(await valueOf('k')).toBeNull();
    expect((await raw('/kms/data')).body).toMatchObject({ keys: [], count: 0 });
    expect((await send('DELETE', { key: 'k' })).status).toBe(404);
  });
});

describe('an absent key', () => {
  test('causes a 404 when it is read by path, read by query or deleted', async () => {
    await start();
    const answers = [await raw('/kms/data/k'), await raw('/kms/data?key=k'), await send('DELETE', { key: 'k' })];
    for (const { status, body } of answers) expect([status, body['code']]).toEqual([404, 'not_found']);
    expect(node.state.written).toBe(0);
  });

  test('that was deleted causes a 404 when it is read or deleted again, and can be written again', async () => {
    await start();
    await put('k');
    expect(await send('DELETE', { key: 'k' })).toMatchObject({ status: 200, body: { app_id: 100, key: 'k', deleted: true } });
    expect([await valueOf('k'), (await send('DELETE', { key: 'k' })).status]).toEqual([null, 404]);
    await put('k', 'again');
    expect(await valueOf('k')).toBe('again');
  });
});

describe('a list', () => {
  const KEYS = ['a', 'a/1', 'a/2', 'b', 'b c', '😀'];

  test.each([
    ['', KEYS, undefined],
    ['?', KEYS, undefined],
    ['?prefix=a', ['a', 'a/1', 'a/2'], undefined],
    ['?prefix=a%2F', ['a/1', 'a/2'], undefined],
    ['?prefix=', KEYS, undefined],
    ['?prefix=b+', ['b c'], undefined],
    ['?prefix=%F0%9F%98%80', ['😀'], undefined],
    ['?prefix=z', [], undefined],
    ['?limit=2', ['a', 'a/1'], true],
    ['?limit=6', KEYS, false],
    ['?limit=999999999', KEYS, false],
    ['?limit=2&after=a', ['a/1', 'a/2'], true],
    ['?after=b', ['b c', '😀'], undefined],
    ['?after=a%2F15&limit=1', ['a/2'], true],
    ['?prefix=a%2F&limit=1', ['a/1'], true],
    ['?prefix=a%2F&limit=1&after=a%2F1', ['a/2'], false],
    ['?after=%F0%9F%98%80', [], undefined],
    ['?other=1&limit=1', ['a'], true],
  ])('with the query "%s" returns %j', async (query, keys, more) => {
    await start();
    for (const key of [...KEYS].reverse()) node.store.put('100', key, Buffer.alloc(28), 0, node.clock.nowMs());
    expect((await raw(`/kms/data${query}`)).body).toMatchObject({ app_id: 100, keys, count: keys.length, ...(more === undefined ? {} : { more }) });
  });

  test('has pages of at most 10,000 keys, which together contain every key exactly once', async () => {
    await start();
    for (let index = 0; index < 10_050; index += 1) node.store.put('100', `k${index}`, Buffer.alloc(28), 0, node.clock.nowMs());
    const first = (await raw('/kms/data?limit=20000')).body as { keys: string[]; more: boolean };
    expect([first.keys.length, first.more]).toEqual([10_000, true]);
    const second = (await raw(`/kms/data?limit=20000&after=${first.keys.at(-1)}`)).body as { keys: string[]; more: boolean };
    expect([second.keys.length, second.more, new Set([...first.keys, ...second.keys]).size]).toEqual([50, false, 10_050]);
  });

  test.each(['0', '-1', '1.5', 'all', '', '01', '1e3', '9999999999'])('with an invalid limit is answered with 400: %j', async (limit) => {
    await start();
    expect(await raw(`/kms/data?limit=${limit}`)).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });

  test.each(['?limit=1&limit=2', '?key=a&key=b', '?prefix=%zz', '?key=%ff', '?key=%ED%A0%80', '?%ff=1', '?key=%', '?key=a%2'])('with the query %s is answered with 400', async (query) => {
    await start();
    await put('a');
    expect(await raw(`/kms/data${query}`)).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });
});

/** Each key, and a valid encoding of it in a path. */
const KEYS: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['a/b/c', 'a/b/c'],
  ['a/b/c', 'a%2Fb%2fc'],
  ['a%2Fb', 'a%252Fb'],
  ['%', '%25'],
  ['%25', '%2525'],
  ['%zz', '%25zz'],
  ['a?b=c', 'a%3Fb=c'],
  ['a b', 'a%20b'],
  ['a+b', 'a+b'],
  ['a+b', 'a%2Bb'],
  ['a&b=c', 'a&b=c'],
  ['a#b', 'a%23b'],
  ['..', '..'],
  ['..', '%2e%2E'],
  ['.', '.'],
  ['../../status', '../../status'],
  ['a/../b', 'a/../b'],
  ['a/./b', 'a/./b'],
  ['a//b', 'a//b'],
  ['/', '/'],
  ['/', '%2F'],
  ['a/', 'a/'],
  ['/a', '/a'],
  ['a\\b', 'a%5Cb'],
  ['a\\..\\b', 'a\\..\\b'],
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['hasOwnProperty', 'hasOwnProperty'],
  ['\u0000', '%00'],
  ['a\u0000b', 'a%00b'],
  ['\r\n', '%0D%0A'],
  [' ', '%20'],
  ['é', '%C3%A9'],
  ['e\u0301', 'e%CC%81'],
  ['😀/🔑', '%F0%9F%98%80/%F0%9F%94%91'],
  ['\ufffd', '%EF%BF%BD'],
  ['\ufeff', '%EF%BB%BF'],
  ['"quotes"', '%22quotes%22'],
  ["it's", "it's"],
  ['a;b', 'a;b'],
  ['key=value', 'key=value'],
  ['data', 'data'],
  ['x'.repeat(1_024), 'x'.repeat(1_024)],
  ['😀'.repeat(256), '%F0%9F%98%80'.repeat(256)],
];

describe('a key', () => {
  test.each(KEYS.map(([key, inPath]) => [inPath.slice(0, 40), key, inPath]))('that is encoded in a path as %s is written, read, listed and deleted unchanged', async (_, key, inPath) => {
    await start();
    expect((await put(key, `value of ${key}`)).status).toBe(200);
    const read = await raw(`/kms/data/${inPath}`);
    expect([read.status, read.body['key'], Buffer.from(String(read.body['value']), 'base64').toString()]).toEqual([200, key, `value of ${key}`]);
    const inQuery = encodeURIComponent(key);
    expect((await raw(`/kms/data?key=${inQuery}`)).body).toEqual(read.body);
    expect((await raw('/kms/data')).body['keys']).toEqual([key]);
    expect((await send('DELETE', { key })).status).toBe(200);
    expect((await raw(`/kms/data/${inPath}`)).status).toBe(404);
  });

  test('is decoded only once: a key that is encoded twice is a different key', async () => {
    await start();
    await put('a/b', 'once');
    await put('a%2Fb', 'twice');
    expect(Buffer.from(String((await raw('/kms/data/a%2Fb')).body['value']), 'base64').toString()).toBe('once');
    expect(Buffer.from(String((await raw('/kms/data/a%252Fb')).body['value']), 'base64').toString()).toBe('twice');
    expect(Buffer.from(String((await raw('/kms/data?key=a%252Fb')).body['value']), 'base64').toString()).toBe('twice');
  });

  test('that contains a space may be requested with a plus instead, as in HTML forms, both in a path and in a query', async () => {
    await start();
    await put('a b', 'space');
    await put('a+b', 'plus');
    expect((await raw('/kms/data/a+b')).body['key']).toBe('a b');
    expect((await raw('/kms/data/a%2Bb')).body['key']).toBe('a+b');
    expect((await raw('/kms/data?key=a+b')).body['key']).toBe('a b');
    expect((await raw('/kms/data?key=a%2Bb')).body['key']).toBe('a+b');
  });

  test('in a path ends where the query begins', async () => {
    await start();
    await put('k');
    expect((await raw('/kms/data/k?key=other')).body['key']).toBe('k');
  });

  test.each([
    ['malformed percent-encoding', '/kms/data/%zz'],
    ['half of a percent-encoded byte', '/kms/data/a%2'],
    ['a bare percent sign', '/kms/data/100%'],
    ['bytes that are not valid UTF-8', '/kms/data/%ff'],
    ['an overlong slash', '/kms/data/%c0%af'],
    ['half of a surrogate pair', '/kms/data/%ED%A0%80'],
    ['no key', '/kms/data/'],
    ['an empty key in the query', '/kms/data?key='],
    ['a query parameter without a value', '/kms/data?key'],
    ['unencoded bytes', Buffer.concat([Buffer.from('/kms/data/'), Buffer.from('é')])],
    ['unencoded bytes in the query', Buffer.concat([Buffer.from('/kms/data?key='), Buffer.from('é')])],
  ])('cannot be read, and the answer is 400, if the request line contains %s', async (_, target) => {
    await start();
    await put('Ã©');
    expect(await raw(target)).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });

  test.each([[''], ['\ud800'], ['a\udc00b'], [7], [null], [undefined], [['k']], [{ k: 1 }], [true]])('that is invalid in a body causes a 400 and changes nothing: %j', async (key) => {
    await start();
    const before = stateOfStore();
    for (const answer of [await send('PUT', { key, value: base64('v') }), await send('DELETE', { key })]) {
      expect(answer).toMatchObject({ status: 400, body: { code: 'bad_request' } });
    }
    expect(stateOfStore()).toEqual(before);
  });
});

describe('an invalid body', () => {
  const WRONG: readonly (readonly [string, object])[] = [
    ['no value', { value: undefined }],
    ['null as the value', { value: null }],
    ['a number as the value', { value: 7 }],
    ['a value that is not base64', { value: '***' }],
    ['base64 without its padding', { value: 'YQ' }],
    ['base64 with padding in the middle', { value: 'YQ==YQ==' }],
    ['URL-safe base64', { value: '_-8=' }],
    ['base64 with a line break', { value: 'YWFh\nYWFh' }],
    ['base64 with unused bits that are not zero', { value: 'YR==' }],
    ['a negative lifetime', { ttl_ms: -1 }],
    ['a lifetime of half a millisecond', { ttl_ms: 0.5 }],
    ['a lifetime that is a string', { ttl_ms: '5' }],
    ['a lifetime that is null', { ttl_ms: null }],
    ['a lifetime that is true', { ttl_ms: true }],
    ['a negative number of acks', { acks: -1 }],
    ['a number of acks that is not whole', { acks: 0.5 }],
    ['acks that are a string', { acks: '1' }],
    ['acks that are true', { acks: true }],
    ['too many acks', { acks: 1_025 }],
    ['zero milliseconds to wait for acks', { acks: 1, timeout_ms: 0 }],
    ['too many milliseconds to wait for acks', { acks: 1, timeout_ms: 60_001 }],
    ['a timeout for acks that is a string', { acks: 1, timeout_ms: '5' }],
  ];

  test.each(WRONG)('is answered with 400 and changes nothing: %s', async (_, changes) => {
    await start();
    await put('k', 'old');
    const before = stateOfStore();
    const answer = await send('PUT', { key: 'k', value: base64('new'), ...changes });
    expect(answer).toMatchObject({ status: 400, body: { code: 'bad_request' } });
    expect([stateOfStore(), node.state.written]).toEqual([before, 1]);
  });

  test.each(WRONG.filter(([, changes]) => 'acks' in changes))('of a delete is answered with 400 and deletes nothing: %s', async (_, changes) => {
    await start();
    await put('k', 'old');
    expect((await send('DELETE', { key: 'k', ...changes })).status).toBe(400);
    expect(await valueOf('k')).toBe('old');
  });

  test('is refused with a message that contains the name of the field, but no value', async () => {
    await start();
    const answer = await send('PUT', { key: 'k', value: base64('v'), ttl_ms: 'a readable lifetime' });
    expect(answer.body['message']).toMatch(/ttl_ms/);
    expect(JSON.stringify(answer.body)).not.toContain('readable');
  });
});

describe('the quota of an app', () => {
  test('refuses a write with 507, and nothing is changed or evicted (§9.7)', async () => {
    await start({ maxAppBytes: 1_000 });
    for (const key of ['k1', 'k2', 'k3']) expect((await put(key, 'x'.repeat(270))).status).toBe(200);
    const before = stateOfStore();
    const answer = await put('k4', 'x'.repeat(270));
    expect(answer).toMatchObject({ status: 507, body: { code: 'insufficient_storage' } });
    expect((await put('k1', 'x'.repeat(900))).status).toBe(507);
    expect([stateOfStore(), node.state.written]).toEqual([before, 3]);
    for (const key of ['k1', 'k2', 'k3']) expect(await valueOf(key)).toBe('x'.repeat(270));
  });

  test('allows a write that uses no more bytes than before, and a write that fits after a delete', async () => {
    await start({ maxAppBytes: 1_000 });
    for (const key of ['k1', 'k2', 'k3']) await put(key, 'x'.repeat(270));
    expect((await put('k1', 'y'.repeat(270))).status).toBe(200);
    expect((await send('DELETE', { key: 'k2' })).status).toBe(200);
    expect((await put('k4', 'x'.repeat(270))).status).toBe(200);
  });

  test('applies to each app separately', async () => {
    await start({ maxAppBytes: 1_000 });
    for (const key of ['k1', 'k2', 'k3']) await put(key, 'x'.repeat(270));
    expect((await put('k4', 'x'.repeat(270), {}, otherApp)).status).toBe(200);
  });

  test('includes a limit on tombstones that a peer has not acknowledged: a delete above that limit is refused with 507, and the key stays', async () => {
    await start({ maxTombstonesPerApp: 1 });
    node.replicas.keepOnly([PEER]);
    await put('k1');
    await put('k2');
    expect((await send('DELETE', { key: 'k1' })).status).toBe(200);
    expect(await send('DELETE', { key: 'k2' })).toMatchObject({ status: 507, body: { code: 'insufficient_storage' } });
    expect(await valueOf('k2')).toBe('value');
  });
});

describe('acknowledgements (acks):', () => {
  /** Waits for a request that needs an acknowledgement, and then lets the peer acknowledge the last write. */
  async function acknowledge(key: string): Promise<void> {
    await waitUntil({ what: 'a write that waits', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 2 }, async () => (node.acknowledgements.size > 0 ? null : 'no one waits'));
    node.acknowledgements.note(PEER.wallet, { appId: '100', key, sequenceNumber: node.store.lastSequenceNumber });
  }

  test('a write is answered when the requested number of peers has acknowledged it, and the answer contains that number', async () => {
    await start();
    const answer = put('k', 'value', { acks: 1 });
    await acknowledge('k');
    expect((await answer).body).toMatchObject({ key: 'k', acks: 1 });
  });

  test('a delete is answered when the requested number of peers has acknowledged it', async () => {
    await start();
    await put('k');
    const answer = send('DELETE', { key: 'k', acks: 1 });
    await acknowledge('k');
    expect((await answer).body).toEqual({ app_id: 100, key: 'k', deleted: true, acks: 1 });
  });

  test('a write starts a push to peers before any peer has acknowledged it', async () => {
    await start();
    const answer = put('k', 'value', { acks: 1 });
    await waitUntil({ what: 'the nudge', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 2 }, async () => (node.state.written === 1 ? null : 'no nudge was sent'));
    await acknowledge('k');
    expect((await answer).status).toBe(200);
  });

  test.each([[{ acks: 2, timeout_ms: 1_000 }, 1_000], [{ acks: 2 }, 5_000]])('a write with %j is answered with 504 after the timeout, and stays in the store', async (fields, timeoutMs) => {
    await start();
    const answer = put('k', 'value', fields);
    await acknowledge('k');
    await node.clock.advance(timeoutMs - 1);
    expect(node.acknowledgements.size).toBe(1);
    await node.clock.advance(1);
    expect(await answer).toMatchObject({ status: 504, body: { code: 'not_replicated' } });
    expect([await valueOf('k'), node.acknowledgements.size]).toEqual(['value', 0]);
  });

  test('a write without `acks`, or with `acks` 0, does not wait, and its answer has no field `acks`', async () => {
    await start();
    expect((await put('k', 'value', { acks: 0 })).body).not.toHaveProperty('acks');
    expect((await put('k')).body).not.toHaveProperty('acks');
    expect(node.state.written).toBe(2);
  });
});

describe('the gate', () => {
  test.each([
    ['GET', '/kms/data'],
    ['GET', '/kms/data/k'],
    ['GET', '/kms/data?key=%zz'],
    ['GET', '/kms/data/%ff'],
    ['GET', '/kms/data/..'],
    ['GET', '/kms/data/'],
    ['PUT', '/kms/data'],
    ['PUT', '/kms/data/k'],
    ['DELETE', '/kms/data'],
    ['POST', '/kms/data'],
  ])('of an unready node answers 503 before any other check: %s %s', async (method, target) => {
    await start();
    const { used } = node.nonces;
    node.state.view = { ...READY, state: 'syncing-secret' };
    const answer = await raw(target, { method });
    expect(answer).toMatchObject({ status: 503, body: { code: 'service_unavailable' } });
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    // The nonce of the proof is still unused, so the proof was not checked.
    expect(node.nonces.used).toBe(used);
  });

  test.each([['/kms/data'], ['/kms/data/k'], ['/kms/data?key=k']])('of a ready node does not replace the check of the proof: a request without a proof is refused (%s)', async (path) => {
    await start();
    await put('k');
    const answer = await fetch(`${node.url}${path}`);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([403, 'unauthorized']);
  });
});

describe('a method that a route does not accept', () => {
  test.each([
    ['PUT', '/kms/data/k', 'GET'],
    ['DELETE', '/kms/data/a/b', 'GET'],
    ['POST', '/kms/data/..', 'GET'],
    ['POST', '/kms/data', 'GET, PUT, DELETE'],
  ])('is answered with 405 and the accepted methods: %s %s', async (method, target, allow) => {
    await start();
    const answer = await raw(target, { method });
    expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed' }, headers: { allow } });
  });

  test('changes nothing, even with a proof and a body', async () => {
    await start();
    expect((await send('PUT', { key: 'k', value: base64('v') }, { path: '/kms/data/k' })).status).toBe(405);
    expect(node.store.lastSequenceNumber).toBe(0);
  });
});

describe('a node that is not sure of its store', () => {
  const UNSURE = { code: 'service_unavailable', message: expect.stringMatching(/^first snapshot missing: /) };

  async function becomeUnsure(): Promise<void> {
    await start();
    await put('held');
    await put('deleted');
    await send('DELETE', { key: 'deleted' });
    node.state.sure = false;
  }

  test.each<[string, () => Promise<Answer>]>([
    ['a key that it does not have', () => raw('/kms/data/absent')],
    ['a key that it does not have, named in a query', () => raw('/kms/data?key=absent')],
    ['a path that can mean two different keys', () => raw('/kms/data/a+b')],
    ['a key that was deleted', () => raw('/kms/data/deleted')],
    ['the deletion of a key that it does not have', () => send('DELETE', { key: 'absent' })],
    ['all keys', () => raw('/kms/data')],
    ['a page of keys', () => raw('/kms/data?prefix=h&limit=1')],
  ])('answers 503 to a request for %s; after it has become sure, it answers with 404 or a list', async (_, ask) => {
    await becomeUnsure();
    const { status, headers, body } = await ask();
    expect([status, headers['retry-after'], body]).toEqual([503, '1', UNSURE]);
    node.state.sure = true;
    expect([200, 404]).toContain((await ask()).status);
  });

  test('answers all other requests as usual', async () => {
    await becomeUnsure();
    expect(await valueOf('held')).toBe('value');
    expect((await put('new')).status).toBe(200);
    expect((await send('DELETE', { key: 'held' })).status).toBe(200);
    expect((await send('POST', { path: 'p' }, { path: '/kms/derive' })).status).toBe(200);
  });

  test.each(['timeout', 'timed out', 'connection refused', 'connection reset', 'broken pipe', 'dns error', 'not found'])('sends no message with "%s", because the platform’s client concludes from these words that the node is dead', async (words) => {
    await becomeUnsure();
    for (const target of ['/kms/data/absent', '/kms/data']) expect(JSON.stringify((await raw(target)).body).toLowerCase()).not.toContain(words);
  });

  test('sends the same 503 as a node that is sure but has left out the record of the requested key', async () => {
    await start();
    const ahead = { key: 'left out', value: '00'.repeat(40), version: { peer: 1 }, updated_at_ms: node.clock.nowMs() + 60_000, tombstone: false, ttl_ms: 0 };
    expect(node.store.merge('100', ahead, node.clock.nowMs())).toEqual({ kind: 'rejected', why: 'too_far_ahead' });
    expect([(await raw('/kms/data?key=left%20out')).body, (await raw('/kms/data/left+out')).body, (await send('DELETE', { key: 'left out' })).body]).toEqual([UNSURE, UNSURE, UNSURE]);
    expect([(await raw('/kms/data/other')).status, (await raw('/kms/data')).status]).toEqual([404, 200]);
  });
});
