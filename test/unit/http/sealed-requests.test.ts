/** Encrypted requests end to end (protocol.md §3): `/kms/derive` and `/sync` over real HTTP, signed and sealed. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { canonicalJson } from '../../../src/crypto/canonical-json.ts';
import { deriveKey } from '../../../src/crypto/derivation.ts';
import { appAuthMessage, peerAuthMessage, responseMessage } from '../../../src/crypto/messages.ts';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { toWireEnvelope } from '../../../src/domain/envelope.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, memberOf, startNodeOverHttp, type NodeOverHttp, type NodeOverHttpOptions } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const INFO = 'capsule-ecdh-aes256gcm-v1';
const SECRET = Buffer.alloc(32, 0x42);

type Kind = 'app' | 'peer';

/** The enclave of the app or peer that calls. */
const caller = inProcessEnclave({ info: INFO }, { random: new SeededRandom('caller'), clock: new ManualClock() });
const { wallet, teePubkey } = caller.emulated;

let node: NodeOverHttp;
afterEach(() => node.close());

async function start(options: NodeOverHttpOptions = {}): Promise<void> {
  node = await startNodeOverHttp({
    members: [memberOf(wallet, teePubkey)],
    lookup: async (of) => authorizedRecord(100n, of, teePubkey),
    ...options,
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, string>;
  /** The signature of the proof that was sent. */
  readonly signature: string;
  readonly nonce: string;
}

interface Change {
  readonly headers?: Readonly<Record<string, string>>;
  /** Fields that are added to the envelope. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** The body to send instead of an envelope. */
  readonly body?: string;
}

async function seal(inner: unknown): Promise<object> {
  const text = typeof inner === 'string' ? inner : JSON.stringify(inner);
  return toWireEnvelope(await caller.encrypt(text, node.identity.teePubkey));
}

async function ask(kind: Kind, inner: unknown, change: Change = {}): Promise<Answer> {
  const nonce = node.nonces.issue();
  const timestamp = String(Math.floor(node.clock.nowMs() / 1000));
  const message = kind === 'app' ? appAuthMessage : peerAuthMessage;
  const signature = await caller.sign(message(nonce, node.identity.wallet, timestamp));
  const prefix = kind === 'app' ? 'x-app-' : 'x-kms-';
  const envelope = { ...(await seal(inner)), ...change.fields };
  let canonical = '';
  try {
    canonical = canonicalJson(envelope);
  } catch {
    // The envelope is nested too deeply for an HMAC. So the test sends the HMAC of an empty string; the node must refuse the request.
  }
  const answer = await fetch(`${node.url}${kind === 'app' ? '/kms/derive' : '/sync'}`, {
    method: 'POST',
    headers: {
      [`${prefix}signature`]: signature,
      [`${prefix}nonce`]: nonce,
      [`${prefix}timestamp`]: timestamp,
      'x-sync-signature': node.vault.syncHmac(canonical),
      ...change.headers,
    },
    body: change.body ?? JSON.stringify(envelope),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, string>, signature, nonce };
}

async function open({ body }: Answer): Promise<unknown> {
  const sealed = { senderPubkey: body['sender_tee_pubkey'] as TeePubkey, nonce: body['nonce']!, encryptedData: body['encrypted_data']! };
  expect(sealed.senderPubkey).toBe(node.identity.teePubkey);
  return JSON.parse(await caller.decrypt(sealed));
}

const SNAPSHOT = { type: 'snapshot_request' };
const SECRET_REQUEST = { type: 'master_secret_request', ecdh_pubkey: 'aa' };
const GOOD: Readonly<Record<Kind, unknown>> = { app: { path: 'app/key' }, peer: SNAPSHOT };

describe('an app', () => {
  test('gets its derived key, sealed to its registered public key, and an answer signature that covers the signature of the app', async () => {
    await start();
    const answer = await ask('app', { path: 'app/key', context: 'v1', length: 48 });
    expect(await open(answer)).toEqual({
      nonce: answer.nonce,
      app_id: 100,
      path: 'app/key',
      key: Buffer.from(deriveKey(SECRET, 100, 'app/key:v1', 48)).toString('base64'),
      length: 48,
    });
    const signature = answer.headers.get('x-kms-response-signature')!;
    expect(recoverEip191(responseMessage(answer.signature, node.identity.wallet), signature)).toBe(node.identity.wallet);
  });

  test('that sends no signature gets an unsigned answer in development', async () => {
    await start({ inEnclave: false });
    const answer = await fetch(`${node.url}/kms/derive`, {
      method: 'POST',
      headers: { 'x-tee-wallet': wallet },
      body: JSON.stringify(await seal(GOOD.app)),
    });
    expect([answer.status, answer.headers.get('x-kms-response-signature')]).toEqual([200, null]);
  });

  test('causes two round trips to the enclave: opening and signing at the same time, and then sealing', async () => {
    const log: string[] = [];
    const noted = async <T>(what: string, work: Promise<T>): Promise<T> => {
      log.push(`${what} begins`);
      const result = await work;
      log.push(`${what} ends`);
      return result;
    };
    await start({
      enclave: (real): Enclave => ({
        ...real,
        sign: (message) => noted('sign', real.sign(message)),
        decrypt: (sealed) => noted('decrypt', real.decrypt(sealed)),
        encrypt: (text, receiver) => noted('encrypt', real.encrypt(text, receiver)),
      }),
    });
    expect((await ask('app', GOOD.app)).status).toBe(200);
    expect([...log.slice(0, 2)].sort()).toEqual(['decrypt begins', 'sign begins']);
    expect(log.slice(-2)).toEqual(['encrypt begins', 'encrypt ends']);
    expect(log).toHaveLength(6);
  });

  test.each<[string, unknown, number]>([
    ['no path', {}, 400],
    ['an empty path', { path: ' ' }, 400],
    ['a path that is not a string', { path: 7 }, 400],
    ['a path with an unpaired surrogate', '{"path":"\\ud800"}', 400],
    ['a length of 0', { path: 'p', length: 0 }, 400],
    ['a length of 1025', { path: 'p', length: 1_025 }, 400],
    ['a length of 32.5', { path: 'p', length: 32.5 }, 400],
    ['a length that is true', { path: 'p', length: true }, 400],
    ['a context that is null', { path: 'p', context: null }, 400],
    ['a path and a context of 4097 bytes together', { path: 'ü'.repeat(2_000), context: 'x'.repeat(97) }, 400],
    ['a path and a context of 4096 bytes together', { path: 'ü'.repeat(2_000), context: 'x'.repeat(96) }, 200],
    ['the reserved path', { path: 'data_key' }, 400],
    ['a length of 1024', { path: 'p', length: 1_024 }, 200],
    ['a path with spaces around it', { path: ' p ' }, 200],
  ])('that sends %s (%j) is answered with %i', async (_, inner, status) => {
    await start();
    expect((await ask('app', inner)).status).toBe(status);
  });
});

describe.each<Kind>(['app', 'peer'])('a request of kind %s', (kind) => {
  const header = kind === 'app' ? 'x-kms-response-signature' : 'x-kms-peer-signature';

  test.each<[string, unknown, Change, number, string]>([
    ['in plaintext', GOOD[kind], { body: JSON.stringify(GOOD[kind]) }, 400, 'bad_request'],
    ['that is not valid JSON', GOOD[kind], { body: '{' }, 400, 'bad_request'],
    ['with an empty body', GOOD[kind], { body: '' }, 400, 'bad_request'],
    ['whose sender is the wrong key', GOOD[kind], { fields: { sender_tee_pubkey: 'bb'.repeat(120) } }, 403, 'forbidden'],
    ['whose ciphertext was tampered with', GOOD[kind], { fields: { encrypted_data: 'cd'.repeat(40) } }, 400, 'bad_request'],
    ['whose inner body is not valid JSON', 'path=app/key', {}, 400, 'bad_request'],
    ['whose inner body is a list', '[]', {}, 400, 'bad_request'],
    ['whose inner body is null', 'null', {}, 400, 'bad_request'],
    ['whose inner body is a string', '"path"', {}, 400, 'bad_request'],
  ])('%s is refused, and the answer is not signed', async (_, inner, change, status, code) => {
    await start();
    const answer = await ask(kind, inner, change);
    expect([answer.status, Object.keys(answer.body), answer.body['code']]).toEqual([status, ['code', 'message'], code]);
    expect(answer.headers.get(header)).toBeNull();
    expect(node.state.broken).toEqual([]);
  });

  test('is refused if its envelope has already been opened once', async () => {
    await start();
    const body = JSON.stringify(await seal(GOOD[kind]));
    const headers = { 'x-sync-signature': node.vault.syncHmac(canonicalJson(JSON.parse(body))) };
    expect((await ask(kind, GOOD[kind], { body, headers })).status).toBe(200);
    expect((await ask(kind, GOOD[kind], { body, headers })).body).toMatchObject({ code: 'bad_request' });
  });

  test.each<[string, Partial<Enclave>]>([
    ['opening', { decrypt: () => Promise.reject(new DependencyError('enclave', 'timeout', 'the enclave API failed')) }],
    ['signing', { sign: () => Promise.reject(new DependencyError('enclave', 'unreachable', 'the enclave API failed')) }],
    ['sealing', { encrypt: () => Promise.reject(new DependencyError('enclave', 'malformed', 'the enclave API failed')) }],
  ])('is answered with 503 and Retry-After when %s fails in the enclave', async (_, failing) => {
    await start({ enclave: (real) => ({ ...real, ...failing }) });
    const answer = await ask(kind, GOOD[kind]);
    expect([answer.status, answer.headers.get('retry-after'), answer.body['message']]).toEqual([503, '2', 'the enclave API failed']);
  });
});

describe('a peer', () => {
  test('gets an answer signature that covers the signature of the peer', async () => {
    await start();
    const answer = await ask('peer', SNAPSHOT);
    expect(await open(answer)).toMatchObject({ status: 'ok', data: {} });
    const signature = answer.headers.get('x-kms-peer-signature')!;
    expect(recoverEip191(responseMessage(answer.signature, node.identity.wallet), signature)).toBe(node.identity.wallet);
  });

  test('may add fields to its envelope, and the HMAC covers these fields', async () => {
    await start();
    expect((await ask('peer', SNAPSHOT, { fields: { version: { b: 1, a: [null] } } })).status).toBe(200);
  });

  test.each<[string, string]>([
    ['is missing', ''],
    ['is for a different message', 'ab'.repeat(32)],
    ['is not valid hex', 'x'],
  ])('whose HMAC %s gets the error "forbidden"', async (_, signature) => {
    await start();
    expect((await ask('peer', SNAPSHOT, { headers: { 'x-sync-signature': signature } })).body).toMatchObject({ code: 'forbidden' });
  });

  test('that asks for the master secret needs a key, but no HMAC', async () => {
    await start();
    const answer = await ask('peer', SECRET_REQUEST, { headers: { 'x-sync-signature': '' } });
    expect(answer.body).toEqual({ code: 'bad_request', message: 'ecdh_pubkey is not a P-384 key in DER hex' });
  });

  test('that nests its envelope 100,000 levels deep is answered with 400, and no error is logged', async () => {
    await start();
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const envelope = JSON.stringify(await seal(SNAPSHOT));
    const answer = await ask('peer', SNAPSHOT, { body: `${envelope.slice(0, -1)},"deep":${deep}}` });
    expect(answer.body).toMatchObject({ code: 'bad_request' });
    expect(node.log.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('has its own rate limit and does not use up the rate limit of its address', async () => {
    await start({ http: { rateLimitPerMinute: 1 } });
    for (let time = 0; time < 15; time += 1) expect((await ask('peer', SNAPSHOT)).status).toBe(200);
    expect((await fetch(`${node.url}/status`)).status).toBe(200);
  });
});
