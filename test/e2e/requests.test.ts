/**
 * How a node answers requests (protocol.md §2, §3, §4, §9). Each refusal has the required form and changes nothing, and the node still
 * answers the next valid request. The nodes are real processes on Anvil: node 1 gets the requests, node 2 is its peer and reaches the chain
 * through a proxy that the test can cut off, and node 3 is not a member.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LocalIdentity } from '../../src/client/local-identity.ts';
import { DATA_KEY_PATH, deriveKey, SYNC_KEY_PATH } from '../../src/crypto/derivation.ts';
import { keccak256 } from '../../src/crypto/hash.ts';
import { responseMessage } from '../../src/crypto/messages.ts';
import { generateP384 } from '../../src/crypto/p384.ts';
import { sealSecret } from '../../src/crypto/sealed-secret.ts';
import { recoverEip191 } from '../../src/crypto/signature.ts';
import { sealStoredValue } from '../../src/crypto/stored-value.ts';
import { Vault } from '../../src/crypto/vault.ts';
import type { WireEnvelope } from '../../src/domain/envelope.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { APP_STATUS, INSTANCE_STATUS, VERSION_STATUS, type DevChain } from '../../src/dev/dev-chain.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { OdynClient } from '../../src/enclave/odyn-client.ts';
import { systemClock, systemRandom } from '../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { expectError, expectNothingInternal } from './support/answers.ts';
import { askMasterSecret, expectNoSecrets } from './support/cluster-secrets.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { HttpProxy } from './support/http-proxy.ts';
import {
  createRawApp,
  nowSeconds,
  RawCaller,
  RawHttp,
  sendBytes,
  type Changes,
  type RawAnswer,
  type RawApp,
} from './support/raw-caller.ts';
import { waitForStates } from './support/quick-blocks.ts';
import type { Secret } from './support/secret-search.ts';

const MIB = 1024 * 1024;
const MAX_BODY_BYTES = 2 * MIB;
/** Maximum difference between a timestamp and the node's clock (`POP_TIMEOUT_SECONDS`). Seconds. */
const WINDOW_SECONDS = 120;
const NOBODY = `0x${'0'.repeat(40)}`;
const RPC_HOST = 'rpc.kms.test';
/** The largest integer that is safe in JSON, plus one. */
const FIRST_BAD_APP_ID = 2n ** 53n;
const APP_IDS = { alice: 1_001n, bob: 1_002n, huge: FIRST_BAD_APP_ID, wrapping: 2n ** 64n + 1_001n, zero: 0n };
type AppName = keyof typeof APP_IDS | 'stranger';

interface World {
  readonly cluster: Cluster;
  readonly proxy: HttpProxy;
  readonly node: ClusterNode;
  readonly peerNode: ClusterNode;
  readonly apps: Readonly<Record<AppName, RawApp>>;
  /** A caller in the test process that uses the wallet and the enclave of node 2. */
  readonly peer: RawCaller;
  readonly masterSecret: Uint8Array;
  readonly syncKey: Uint8Array;
}

const http = new RawHttp();
/** A valid identity that is not registered on the chain. */
const stranger = new LocalIdentity({ privateKey: randomBytes(32) }, { random: systemRandom });
/** A path that appears only in derive requests. */
const PATH = `path ${randomBytes(18).toString('base64')}`;
const derived: Secret[] = [];
/** Functions that close what the tests have started. They run in reverse order. */
const closers: (() => Promise<void>)[] = [];
let world: World;
let aliceKey: string;

async function register(chain: DevChain, appId: bigint, { caller }: RawApp): Promise<void> {
  await chain.write('DevNovaAppRegistry', 'setApp', [appId, NOBODY]);
  await chain.write('DevNovaAppRegistry', 'setVersion', [appId, 1n, VERSION_STATUS.ENROLLED]);
  const instance = [appId, 1n, 'http://127.0.0.1:9', `0x${caller.teePubkey}`, caller.wallet, true];
  await chain.write('DevNovaAppRegistry', 'register', instance);
}

beforeAll(async () => {
  const names: readonly AppName[] = ['alice', 'bob', 'huge', 'wrapping', 'zero', 'stranger'];
  const created = await Promise.all(names.map(async (name) => [name, await createRawApp(name, { http })] as const));
  const apps = Object.fromEntries(created) as World['apps'];
  const proxy = await HttpProxy.start();
  closers.push(() => proxy.close());
  const cluster = await startCluster({
    nodes: 3,
    tickSeconds: 60,
    keepLines: 100_000,
    environment: { LOG_LEVEL: 'DEBUG', RATE_LIMIT_PER_MINUTE: '0', NONCE_RATE_LIMIT_PER_MINUTE: '0' },
    plans: [
      {
        environment: {
          REGISTRY_CACHE_TTL_SECONDS: '0',
          MAX_KV_VALUE_SIZE_BYTES: String(MAX_BODY_BYTES / 16),
          MAX_REQUEST_BODY_BYTES: String(MAX_BODY_BYTES),
          MAX_SYNC_PAYLOAD_BYTES: String(MAX_BODY_BYTES),
        },
      },
      { start: false },
      { start: false, register: false },
    ],
    prepare: async ({ chain }) => {
      for (const [name, appId] of Object.entries(APP_IDS)) await register(chain, appId, apps[name as AppName]);
    },
  });
  closers.push(() => cluster.close());
  const [node, peerNode] = [cluster.node(1), cluster.node(2)];
  const peerEnclave = new OdynClient({ baseUrl: peerNode.enclave.url }, { clock: systemClock });
  closers.push(() => peerEnclave.close());
  await waitForStates(cluster, [node], 'ready');
  // From here on, the chain mines each change of the registry immediately.
  await cluster.chain.test.setAutomine(true);
  const rpcPort = new URL(cluster.chain.url).port;
  await peerNode.start({ NODE_URL: `http://${RPC_HOST}:${rpcPort}`, HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' });
  await waitForStates(cluster, [peerNode], 'ready');
  const masterSecret = await askMasterSecret(peerNode, node, http);
  world = {
    cluster,
    proxy,
    node,
    peerNode,
    apps,
    peer: await RawCaller.create('peer', peerEnclave, { http }),
    masterSecret,
    syncKey: deriveKey(masterSecret, 0, SYNC_KEY_PATH, 32),
  };
  aliceKey = await deriveAsAlice();
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** Sends an app's derive request to node 1. */
async function ask(app: AppName, changes: Changes = {}, inner: unknown = { path: PATH }): Promise<RawAnswer> {
  return world.apps[app].caller.send(world.node, 'POST', '/kms/derive', inner, changes);
}

/** Sends a message to node 1 in the name of node 2. */
async function tell(message: unknown, changes: Changes = {}): Promise<RawAnswer> {
  return world.peer.send(world.node, 'POST', '/sync', message, changes);
}

/** Alice's key, from node 1's answer to a valid request. */
async function deriveAsAlice(): Promise<string> {
  const { caller } = world.apps.alice;
  const answer = await ask('alice');
  expect(answer.status).toBe(200);
  expectNothingInternal(answer);
  const { key, nonce, ...rest } = await caller.open(answer);
  expect([rest, typeof nonce]).toEqual([{ app_id: 1_001, path: PATH, length: 32 }, 'string']);
  derived.push({ name: "alice's key", bytes: Buffer.from(key as string, 'base64') });
  return key as string;
}

/** The state that a refused request must not change. */
async function standing(): Promise<object> {
  const { node, readiness, cluster, data_store: store } = await world.node.status();
  return { node, state: readiness?.state, members: cluster.total_instances, store };
}

describe('a node that is not ready', () => {
  let unready: ClusterNode;

  beforeAll(async () => {
    unready = world.cluster.node(3);
    await unready.start();
    await waitUntil({ what: 'the reason why node 3 is not ready', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
      const reason = (await unready.status()).readiness?.reason;
      return reason?.startsWith('self not in KMS node list') === true ? null : `the reason is ${reason ?? 'missing'}`;
    });
    await http.get(unready.localUrl, '/status');
  });

  afterAll(() => unready.stop());

  test.each([
    ['POST', '/kms/derive'],
    ['GET', '/kms/derive'],
    ['GET', '/kms'],
    ['GET', '/kms/no/such/route'],
    ['PATCH', '/kms/no/such/route'],
    ['GET', '/%6bms/derive'],
  ])('answers 503 with its reason and Retry-After to %s %s from any caller', async (method, path) => {
    const answer = await http.send(unready.localUrl, { method, path });
    expect(expectError(answer, 503, 'service_unavailable')).toMatch(/^self not in KMS node list/);
  });

  test('answers the same 503 to a valid and an invalid proof, because it checks its readiness before the proof', async () => {
    const { caller } = world.apps.alice;
    for (const changes of [{}, { recipient: world.node.wallet }]) {
      const answer = await caller.send(unready, 'POST', '/kms/derive', { path: PATH }, changes);
      expect(expectError(answer, 503, 'service_unavailable')).toMatch(/^self not in KMS node list/);
    }
  });

  test('answers 503 to POST /sync while its secret is not confirmed', async () => {
    const answer = await world.peer.send(unready, 'POST', '/sync', { type: 'snapshot_request' }, { syncKey: world.syncKey });
    expectError(answer, 503, 'service_unavailable');
  });

  test('answers requests outside /kms as usual', async () => {
    expectError(await http.get(unready.localUrl, '/kmsx'), 404, 'not_found');
    expect((await http.get(unready.localUrl, '/health')).json).toEqual({ status: 'healthy' });
    expect((await http.get(unready.localUrl, '/status')).json).toMatchObject({ node: { service_available: false } });
  });

  test('answers a CORS preflight, even under /kms', async () => {
    const answer = await http.send(unready.localUrl, { method: 'OPTIONS', path: '/kms/derive' });
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': expect.stringContaining('POST'),
      'access-control-allow-headers': expect.stringContaining('x-app-signature'),
    });
  });
});

interface Refusal {
  readonly name: string;
  readonly request: () => Promise<RawAnswer>;
  readonly status: number;
  readonly code: string;
  readonly why: RegExp;
}

function refusal(name: string, status: number, code: string, why: RegExp, request: Refusal['request']): Refusal {
  return { name, request, status, code, why };
}

/** Changes one hex digit in the middle of the ciphertext. */
function tampered(envelope: WireEnvelope): WireEnvelope {
  const text = envelope.encrypted_data;
  const at = Math.floor(text.length / 2);
  const digit = text[at] === '0' ? '1' : '0';
  return { ...envelope, encrypted_data: text.slice(0, at) + digit + text.slice(at + 1) };
}

const APP_REFUSALS: readonly Refusal[] = [
  refusal('a nonce that was used before', 403, 'unauthorized', /nonce/, async () => {
    const nonce = await http.nonce(world.node.localUrl);
    expect((await ask('alice', { nonce })).status).toBe(200);
    return ask('alice', { nonce });
  }),
  refusal('a nonce that a refused request has used up', 403, 'unauthorized', /nonce/, async () => {
    const nonce = await http.nonce(world.node.localUrl);
    expect((await ask('alice', { nonce, recipient: world.peerNode.wallet })).status).toBe(403);
    return ask('alice', { nonce });
  }),
  refusal('a nonce that another node issued', 403, 'unauthorized', /nonce/, async () =>
    ask('alice', { nonce: await http.nonce(world.peerNode.localUrl) }),
  ),
  refusal('a nonce that is not base64', 403, 'unauthorized', /nonce/, () => ask('alice', { nonce: '*'.repeat(24) })),
  refusal('a stale timestamp', 403, 'unauthorized', /timestamp/, () =>
    ask('alice', { timestamp: String(nowSeconds() - WINDOW_SECONDS - 5) }),
  ),
  refusal('a timestamp in the future', 403, 'unauthorized', /timestamp/, () =>
    ask('alice', { timestamp: String(nowSeconds() + WINDOW_SECONDS + 5) }),
  ),
  refusal('a timestamp that is not a plain number', 403, 'unauthorized', /timestamp/, () =>
    ask('alice', { timestamp: `${nowSeconds()}.0` }),
  ),
  refusal('a signature for another node, without x-app-wallet', 403, 'forbidden', /./, () => ask('alice', { recipient: world.peerNode.wallet, headers: { 'x-app-wallet': undefined } })),
  refusal('a signature for another node, with x-app-wallet', 403, 'unauthorized', /wallet/, () =>
    ask('alice', { recipient: world.peerNode.wallet }),
  ),
  refusal('an x-app-wallet that is not the signer', 403, 'unauthorized', /wallet/, () =>
    ask('alice', { headers: { 'x-app-wallet': world.apps.bob.caller.wallet } }),
  ),
  refusal('an x-app-signature that is not a signature', 403, 'unauthorized', /signature/, () => ask('alice', { headers: { 'x-app-signature': '0x00' } })),
  refusal('a signature without a nonce and a timestamp', 403, 'unauthorized', /required/, () =>
    ask('alice', { headers: { 'x-app-nonce': undefined, 'x-app-timestamp': undefined } }),
  ),
  refusal('no proof at all', 403, 'unauthorized', /required/, () =>
    http.send(world.node.localUrl, { method: 'POST', path: '/kms/derive', body: '{}' }),
  ),
  refusal('an app that is not registered', 403, 'forbidden', /registered/, () => ask('stranger')),
  refusal('an app id that a JSON number cannot represent exactly', 403, 'forbidden', /app id/, () => ask('huge')),
  refusal("an app id that becomes another app's id when it is truncated to 64 bits", 403, 'forbidden', /app id/, () => ask('wrapping')),
  refusal('app id 0, which is reserved for the keys of the cluster', 403, 'forbidden', /app/, () => ask('zero')),
  refusal('an envelope that is sealed with an unregistered key', 403, 'forbidden', /sender_tee_pubkey/, () =>
    ask('alice', { sealedBy: stranger }),
  ),
  refusal("an envelope with another app's key as sender_tee_pubkey", 403, 'forbidden', /sender_tee_pubkey/, () =>
    ask('alice', { envelope: (good) => ({ ...good, sender_tee_pubkey: world.apps.bob.caller.teePubkey }) }),
  ),
  refusal("another app's wallet in x-tee-wallet, instead of a proof", 403, 'forbidden', /sender_tee_pubkey/, () =>
    ask('alice', {
      headers: {
        'x-app-signature': undefined,
        'x-app-nonce': undefined,
        'x-app-timestamp': undefined,
        'x-app-wallet': undefined,
        'x-tee-wallet': world.apps.bob.caller.wallet,
      },
    }),
  ),
  refusal('a ciphertext that was tampered with', 400, 'bad_request', /decrypt/, () => ask('alice', { envelope: tampered })),
  refusal('an envelope that the node has already opened', 400, 'bad_request', /decrypt/, async () => {
    let first: WireEnvelope | undefined;
    const keep = (good: WireEnvelope): WireEnvelope => (first ??= good);
    expect((await ask('alice', { envelope: keep })).status).toBe(200);
    return ask('alice', { envelope: keep });
  }),
  refusal('an envelope without its nonce', 400, 'bad_request', /envelope/, () =>
    ask('alice', { envelope: ({ sender_tee_pubkey, encrypted_data }) => ({ sender_tee_pubkey, encrypted_data }) }),
  ),
  refusal('a plaintext body', 400, 'bad_request', /envelope/, () => ask('alice', { body: JSON.stringify({ path: PATH }) })),
  refusal('no body', 400, 'bad_request', /JSON/, () => ask('alice', { body: '' })),
  refusal('an inner body that is not an object', 400, 'bad_request', /inner body/, () => ask('alice', {}, [PATH])),
  refusal('an inner body that is not valid JSON', 400, 'bad_request', /inner body/, () => ask('alice', {}, `path=${PATH}`)),
  refusal('a blank path', 400, 'bad_request', /path/, () => ask('alice', {}, { path: ' \t ' })),
  refusal('a length that is not a whole number', 400, 'bad_request', /length/, () => ask('alice', {}, { path: PATH, length: true })),
  refusal("the path of the app's own data key", 400, 'bad_request', /reserved/, () => ask('alice', {}, { path: DATA_KEY_PATH })),
  refusal("the path of the app's own data key, with an empty context", 400, 'bad_request', /reserved/, () =>
    ask('alice', {}, { path: DATA_KEY_PATH, context: '' }),
  ),
  refusal('a megabyte of garbage', 400, 'bad_request', /JSON/, () => ask('alice', { body: randomBytes(MIB) })),
  refusal('a megabyte of garbage in chunks, without a proof', 403, 'unauthorized', /required/, () =>
    http.send(world.node.localUrl, { method: 'POST', path: '/kms/derive', body: randomBytes(MIB), chunked: true }),
  ),
  refusal('a content-length above the limit', 413, 'payload_too_large', /bytes/, () =>
    ask('alice', { body: Buffer.alloc(MAX_BODY_BYTES + 1, '{') }),
  ),
  refusal('a chunked body that is longer than the limit', 413, 'payload_too_large', /bytes/, () =>
    ask('alice', { body: Buffer.alloc(MAX_BODY_BYTES + 1, '{'), chunked: true }),
  ),
  refusal('a route that does not exist', 404, 'not_found', /route/, () => http.get(world.node.localUrl, '/kms/no/such/route')),
  refusal('a path with invalid percent-encoding', 400, 'bad_request', /path/, () => http.get(world.node.localUrl, '/kms/%zz')),
];

const PEER_REFUSALS: readonly Refusal[] = [
  refusal('no x-kms-wallet, and an envelope that is sealed with an unregistered key', 403, 'forbidden', /sender_tee_pubkey/, () =>
    tell({ type: 'master_secret_request', ecdh_pubkey: generateP384(systemRandom).publicKeyDer }, { sealedBy: stranger, headers: { 'x-kms-wallet': undefined } }),
  ),
  refusal('a signer that is not a member', 403, 'forbidden', /member/, async () => {
    const outsider = await RawCaller.create('peer', stranger, { http });
    return outsider.send(world.node, 'POST', '/sync', { type: 'master_secret_request' });
  }),
  refusal("an app's proof", 403, 'unauthorized', /required/, () =>
    world.apps.alice.caller.send(world.node, 'POST', '/sync', { type: 'snapshot_request' }),
  ),
  refusal('a signature for another node', 403, 'unauthorized', /wallet/, () =>
    tell({ type: 'snapshot_request' }, { recipient: world.peerNode.wallet, syncKey: world.syncKey }),
  ),
  refusal('a sender_wallet that is not the signer', 403, 'forbidden', /sender_wallet/, () =>
    tell({ type: 'snapshot_request', sender_wallet: world.node.wallet }, { syncKey: world.syncKey }),
  ),
  refusal('no HMAC', 403, 'forbidden', /x-sync-signature/, () => tell({ type: 'snapshot_request' })),
  refusal('an HMAC that was made with the wrong key', 403, 'forbidden', /x-sync-signature/, () =>
    tell({ type: 'snapshot_request' }, { syncKey: randomBytes(32) }),
  ),
  refusal('an unknown message type, without an HMAC', 403, 'forbidden', /x-sync-signature/, () => tell({ type: 'no_such_type' })),
  refusal('an unknown message type', 400, 'bad_request', /type/, () => tell({ type: 'no_such_type' }, { syncKey: world.syncKey })),
  refusal('no message type', 400, 'bad_request', /type/, () => tell({ data: {} }, { syncKey: world.syncKey })),
  refusal('a request for the secret without ecdh_pubkey', 400, 'bad_request', /ecdh_pubkey/, () =>
    tell({ type: 'master_secret_request' }),
  ),
  refusal('a request for the secret with an ecdh_pubkey that is not a key', 400, 'bad_request', /ecdh_pubkey/, () =>
    tell({ type: 'master_secret_request', ecdh_pubkey: '00'.repeat(120) }),
  ),
  refusal('a batch that is not an object', 400, 'bad_request', /data/, () => tell({ type: 'delta', data: [1] }, { syncKey: world.syncKey })),
  refusal('a cursor that the node never returned', 400, 'bad_request', /cursor/, () =>
    tell({ type: 'snapshot_request', cursor: 'nowhere', max_bytes: 8_192 }, { syncKey: world.syncKey }),
  ),
  refusal('a body that is not an envelope', 400, 'bad_request', /envelope/, () =>
    tell({}, { body: JSON.stringify({ type: 'snapshot_request' }), syncKey: world.syncKey }),
  ),
  refusal('an envelope whose fields are not valid hex', 400, 'bad_request', /envelope/, () =>
    tell({}, { envelope: (good) => ({ ...good, nonce: 'zz'.repeat(12) }), syncKey: world.syncKey }),
  ),
  refusal('a ciphertext that was tampered with', 400, 'bad_request', /decrypt/, () =>
    tell({ type: 'snapshot_request' }, { envelope: tampered, syncKey: world.syncKey }),
  ),
  refusal('an inner body that is a list', 400, 'bad_request', /inner body/, () => tell([{ type: 'delta' }], { syncKey: world.syncKey })),
  refusal('an inner body that is null', 400, 'bad_request', /inner body/, () => tell('null', { syncKey: world.syncKey })),
  refusal('an inner body that is not valid JSON', 400, 'bad_request', /inner body/, () => tell('type=delta', { syncKey: world.syncKey })),
  refusal('a content-length above the limit', 413, 'payload_too_large', /bytes/, () =>
    tell({}, { body: Buffer.alloc(MAX_BODY_BYTES + 1, '{') }),
  ),
  refusal('a chunked body that is longer than the limit', 413, 'payload_too_large', /bytes/, () =>
    tell({}, { body: Buffer.alloc(MAX_BODY_BYTES + 1, '{'), chunked: true }),
  ),
];

async function expectRefused({ request, status, code, why }: Refusal): Promise<void> {
  const before = await standing();
  expect(expectError(await request(), status, code)).toMatch(why);
  expect(await standing()).toEqual(before);
  expect(await deriveAsAlice()).toBe(aliceKey);
}

describe('the node refuses a request from an app, changes nothing, and answers the next valid request:', () => {
  test.each(APP_REFUSALS)('$name → $status $code', expectRefused);
});

describe('the node refuses a request from a peer, changes nothing, and answers the next valid request:', () => {
  test.each(PEER_REFUSALS)('$name → $status $code', expectRefused);
});

describe('bytes that are not a valid request', () => {
  test.each([
    ['text that is not HTTP', 'good morning\r\n\r\n', 400, 'bad_request'],
    ['the start of a TLS connection', Buffer.from('1603010200010001fc0303', 'hex'), 400, 'bad_request'],
    ['a megabyte of noise', Buffer.concat([Buffer.from([0]), randomBytes(MIB)]), 400, 'bad_request'],
    ['a method that does not exist', 'BREW /kms/derive HTTP/1.1\r\nhost: node\r\n\r\n', 400, 'bad_request'],
    ['a chunked body without valid chunks', 'POST /kms/derive HTTP/1.1\r\nhost: node\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n', 400, 'bad_request'],
    ['headers that never end', `GET /health HTTP/1.1\r\nhost: node\r\nx-long: ${'a'.repeat(64 * 1024)}`, 413, 'payload_too_large'],
  ])('are answered with a JSON error body, as on any route: %s', async (_, bytes, status, code) => {
    const [head, body] = (await sendBytes(world.node.port, bytes)).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toMatch(/^content-type: application\/json/im);
    expect(JSON.parse(body!)).toEqual({ code, message: expect.stringMatching(/\S/) });
    expect(await deriveAsAlice()).toBe(aliceKey);
  });

  test('are answered with a JSON error body when the caller stops sending before the content-length is reached', async () => {
    const proof = Object.entries(await world.apps.alice.caller.proof(world.node));
    const headers = [...proof, ['host', 'node'], ['content-length', '1000']].map(([name, value]) => `${name}: ${value}`);
    const request = ['POST /kms/derive HTTP/1.1', ...headers, '', '{"sender_tee_pubkey":'].join('\r\n');
    const [head, body] = (await sendBytes(world.node.port, request, { thenEnd: true })).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(body!)).toMatchObject({ code: 'bad_request' });
    expect(await deriveAsAlice()).toBe(aliceKey);
  });
});

describe('methods:', () => {
  test.each([
    ['GET', '/kms/derive', 'POST'],
    ['HEAD', '/kms/derive', 'POST'],
    ['PUT', '/kms/derive', 'POST'],
    ['DELETE', '/sync', 'POST'],
    ['POST', '/status', 'GET'],
    ['PATCH', '/nonce', 'GET'],
  ])('%s %s is answered with 405 and Allow: %s', async (method, path, allow) => {
    const answer = await http.send(world.node.localUrl, { method, path });
    if (method === 'HEAD') expect(answer).toMatchObject({ status: 405, text: '' });
    else expectError(answer, 405, 'method_not_allowed');
    expect(answer.headers['allow']).toBe(allow);
  });

  test('HEAD /health gets 200 without a body', async () => {
    const answer = await http.send(world.node.localUrl, { method: 'HEAD', path: '/health' });
    expect(answer).toMatchObject({ status: 200, text: '' });
    expectNothingInternal(answer);
  });
});

describe('the answer', () => {
  test('to a derive request is signed by the node, and this signature covers the caller\'s signature', async () => {
    const { caller } = world.apps.alice;
    const proof = await caller.proof(world.node);
    const answer = await ask('alice', { headers: proof });
    const signer = recoverEip191(
      responseMessage(proof['x-app-signature']!, world.node.wallet),
      answer.headers['x-kms-response-signature'] ?? '',
    );
    expect(signer).toBe(world.node.wallet);
  });

  test('to a request with only x-tee-wallet (allowed outside an enclave) is unsigned, but encrypted to the registered key', async () => {
    const unsigned = Object.fromEntries(['signature', 'nonce', 'timestamp', 'wallet'].map((name) => [`x-app-${name}`, undefined]));
    const { caller } = world.apps.alice;
    const answer = await ask('alice', { headers: { ...unsigned, 'x-tee-wallet': caller.wallet } });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('x-kms-response-signature');
    expect((await caller.open(answer))['key']).toBe(aliceKey);
  });

  test('to a request with a proof does not depend on x-tee-wallet', async () => {
    const answer = await ask('alice', { headers: { 'x-tee-wallet': world.apps.bob.caller.wallet } });
    expect((await world.apps.alice.caller.open(answer))['key']).toBe(aliceKey);
  });

  test('to a peer that sends no x-kms-wallet is 200 when the envelope has the registered key of that peer', async () => {
    const answer = await tell({ type: 'snapshot_request' }, { syncKey: world.syncKey, headers: { 'x-kms-wallet': undefined } });
    expect(answer.status).toBe(200);
    expect(await world.peer.open(answer)).toMatchObject({ status: 'ok' });
  });

  test('to a delta with malformed records counts them as rejected, and the node merges the other records', async () => {
    const dataKey = deriveKey(world.masterSecret, 1_001, DATA_KEY_PATH, 32);
    const good = {
      key: 'kept',
      value: Buffer.from(sealStoredValue(dataKey, randomBytes(12), Buffer.from('value'))).toString('hex'),
      version: { [world.peer.wallet]: 1 },
      updated_at_ms: systemClock.nowMs(),
      tombstone: false,
      ttl_ms: 0,
    };
    const records = [
      { ...good, key: 17 },
      { ...good, key: 'no version', version: 'newest' },
      { ...good, key: 'no number', updated_at_ms: 'today' },
      'no record',
      good,
      { ...good, key: 'does not decrypt', value: 'ab'.repeat(40) },
    ];
    const answer = await tell({ type: 'delta', data: { '1001': records, '0': [good] } }, { syncKey: world.syncKey });
    expect(answer.status).toBe(200);
    expect(await world.peer.open(answer)).toMatchObject({ status: 'ok', total: 7, merged: 1, skipped: 0, rejected: 6 });
    expect((await world.node.status()).data_store).toMatchObject({ namespaces: 1, total_keys: 1 });
    expect(await deriveAsAlice()).toBe(aliceKey);
  });

  test('to a request for the secret is discarded, not truncated, when the sealed secret is longer than 32 bytes', () => {
    const vault = new Vault({ random: systemRandom });
    const request = vault.beginSecretRequest();
    const seal = (bytes: Uint8Array): unknown => sealSecret(generateP384(systemRandom), request.ecdhPubkey, randomBytes(12), bytes);
    expect(vault.openReceived(request, seal(Buffer.concat([world.masterSecret, Buffer.of(0)])))).toBeNull();
    expect(vault.openReceived(request, seal(world.masterSecret))).toBe(keccak256(world.masterSecret));
    vault.wipe();
  });

  test('to GET / describes the service, its routes and the headers of a proof', async () => {
    const answer = await http.get(world.node.localUrl, '/');
    expectNothingInternal({ ...answer, text: '' });
    expect(answer.json).toMatchObject({
      service: expect.stringMatching(/\S/),
      docs: expect.stringMatching(/\S/),
      auth: { app: expect.arrayContaining(['x-app-signature', 'x-app-nonce', 'x-app-timestamp']), peer: expect.arrayContaining(['x-sync-signature']) },
      endpoints: expect.arrayContaining(['GET /', 'GET /health', 'GET /status', 'GET /nonce', 'GET /nodes', 'POST /kms/derive', 'POST /sync']),
    });
  });

  test('to GET /nonce contains 16 bytes in base64, different each time', async () => {
    const nonces = [await http.nonce(world.node.localUrl), await http.nonce(world.node.localUrl)];
    for (const nonce of nonces) expect(nonce).toMatch(/^[A-Za-z0-9+/]{22}==$/);
    expect(nonces[0]).not.toBe(nonces[1]);
  });

  test('to GET /status contains the identity of the node, its state and the reason', async () => {
    const { node, peerNode, cluster } = world;
    const [own, other] = await Promise.all([http.get(node.localUrl, '/status'), http.get(peerNode.localUrl, '/status')]);
    expectNothingInternal(own);
    expect(own.json).toMatchObject({
      node: {
        tee_wallet: node.wallet,
        tee_pubkey: node.teePubkey,
        node_url: node.url,
        is_operator: true,
        service_available: true,
        master_secret: { state: 'generated', synced_from: null },
        master_secret_initialized: true,
      },
      readiness: {
        state: 'ready',
        reason: null,
        since_ms: expect.any(Number),
        last_tick: { started_at_ms: expect.any(Number), duration_ms: expect.any(Number), outcome: 'ok' },
        next_tick_in_ms: expect.any(Number),
      },
      cluster: { kms_app_id: 49, registry_address: cluster.chain.kmsRegistry, total_instances: 2 },
      data_store: { namespaces: expect.any(Number), total_keys: expect.any(Number), total_bytes: expect.any(Number) },
    });
    expect(other.json).toMatchObject({ node: { master_secret: { state: 'synced', synced_from: node.wallet } } });
  });

  test('to GET /nodes lists the members from the peer cache', async () => {
    const { node, peerNode } = world;
    const { json } = await http.get(node.localUrl, '/nodes');
    const entry = (member: ClusterNode): object => ({
      operator: member.wallet,
      instance: {
        instance_id: expect.any(Number),
        app_id: 49,
        version_id: 1,
        operator: expect.stringMatching(/^0x[0-9a-f]{40}$/),
        instance_url: member.url,
        tee_wallet: member.wallet,
        zk_verified: true,
        instance_status: { value: 0, name: 'ACTIVE' },
        registered_at: expect.any(Number),
      },
      connection: {
        in_peer_cache: true,
        cached_status: 'ACTIVE',
        status_endpoint_reachable: null,
        status_endpoint_http_code: null,
        status_probe_ms: null,
        status_checked_at_ms: null,
      },
    });
    expect(json).toEqual({ operators: expect.arrayContaining([entry(node), entry(peerNode)]), count: 2 });
  });
});

describe('the status in the registry decides whether a node answers an app:', () => {
  afterAll(async () => {
    const { chain } = world.cluster;
    await chain.setVersionStatus(1_002, 1, VERSION_STATUS.ENROLLED);
    await chain.setInstanceStatus(world.apps.bob.caller.wallet, INSTANCE_STATUS.ACTIVE);
    await chain.setAppStatus(1_002, APP_STATUS.ACTIVE);
  });

  test.each([
    ['a DEPRECATED version gets an answer', (chain: DevChain) => chain.setVersionStatus(1_002, 1, VERSION_STATUS.DEPRECATED), 200, /./],
    ['a REVOKED version is refused', (chain: DevChain) => chain.setVersionStatus(1_002, 1, VERSION_STATUS.REVOKED), 403, /version/],
    ['an ENROLLED version gets an answer', (chain: DevChain) => chain.setVersionStatus(1_002, 1, VERSION_STATUS.ENROLLED), 200, /./],
    [
      'a STOPPED instance is refused',
      (chain: DevChain) => chain.setInstanceStatus(world.apps.bob.caller.wallet, INSTANCE_STATUS.STOPPED),
      403,
      /instance/,
    ],
    [
      'an instance that is ACTIVE again gets an answer',
      (chain: DevChain) => chain.setInstanceStatus(world.apps.bob.caller.wallet, INSTANCE_STATUS.ACTIVE),
      200,
      /./,
    ],
    ['an INACTIVE app is refused', (chain: DevChain) => chain.setAppStatus(1_002, APP_STATUS.INACTIVE), 403, /app/],
  ] as const)('%s', async (_, change, status, why) => {
    await change(world.cluster.chain);
    const answer = await ask('bob');
    if (status === 403) expect(expectError(answer, 403, 'forbidden')).toMatch(why);
    else expect(answer.status).toBe(200);
  });

  test('when the node cannot read the chain, the answer is 503 and not 403, and the next request reads the chain again', async () => {
    const { proxy, peerNode, apps } = world;
    const askPeer = (app: 'alice' | 'bob'): Promise<RawAnswer> => apps[app].caller.send(peerNode, 'POST', '/kms/derive', { path: PATH });
    await world.cluster.chain.setAppStatus(1_002, APP_STATUS.ACTIVE);
    expect((await askPeer('alice')).status).toBe(200);
    proxy.cut(RPC_HOST);
    try {
      expect(expectError(await askPeer('bob'), 503, 'service_unavailable')).toMatch(/registry/);
      // The node still has Alice's registration in its cache.
      expect((await askPeer('alice')).status).toBe(200);
    } finally {
      proxy.mend(RPC_HOST);
    }
    expect((await askPeer('bob')).status).toBe(200);
  });
});

describe('rate limits:', () => {
  /** All clients that share the platform's ingress together get ten times the configured limit. */
  const SHARED = 10;
  let limited: ClusterNode;

  beforeAll(() => {
    limited = world.cluster.node(3);
  });

  afterAll(() => limited.stop());

  async function statuses(count: number, path: string, headers: (index: number) => Record<string, string> = () => ({})): Promise<number[]> {
    const answers: number[] = [];
    for (let index = 0; index < count; index += 1) {
      answers.push((await http.send(limited.localUrl, { method: 'GET', path, headers: headers(index) })).status);
    }
    return answers;
  }

  test('by default, X-Forwarded-For is ignored: all clients share one limit, and requests above the limit get 429', async () => {
    await limited.start({ NONCE_RATE_LIMIT_PER_MINUTE: '1', RATE_LIMIT_PER_MINUTE: '2' });
    const elsewhere = (index: number): Record<string, string> => ({ 'x-forwarded-for': `203.0.113.${index}` });
    const others = await statuses(3 * SHARED, '/no/such/route', elsewhere);
    expect(others.slice(0, SHARED)).not.toContain(429);
    expect(others.at(-1)).toBe(429);
    const refused = await http.send(limited.localUrl, { method: 'GET', path: '/no/such/route', headers: elsewhere(99) });
    expect(expectError(refused, 429, 'rate_limited')).toMatch(/too many/);
  });

  test.each(['/nonce', '/nodes', '/status', '/'])('%s is not limited when the node cannot tell clients apart', async (path) => {
    expect(await statuses(3 * SHARED, path)).toEqual(Array.from({ length: 3 * SHARED }, () => 200));
  });

  test('/health is never limited', async () => {
    expect(await statuses(3 * SHARED, '/health')).toEqual(Array.from({ length: 3 * SHARED }, () => 200));
  });

  test('behind a trusted proxy, the client is the right-most address in X-Forwarded-For that is not a trusted proxy', async () => {
    await limited.restart({ NONCE_RATE_LIMIT_PER_MINUTE: '2', TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8' });
    const from = (entries: string) => (): Record<string, string> => ({ 'x-forwarded-for': entries });
    expect(await statuses(3, '/nonce', from('203.0.113.1'))).toEqual([200, 200, 429]);
    expect(await statuses(3, '/nonce', from('203.0.113.2'))).toEqual([200, 200, 429]);
    // The client wrote the first entry itself. The node ignores all entries to the left of the client's address.
    expect(await statuses(1, '/nonce', from('198.51.100.7, 203.0.113.1, 10.1.2.3'))).toEqual([429]);
  });
});

test('no output or answer contains a secret', async () => {
  const { apps, peer, cluster } = world;
  const secrets = [...Object.values(apps).flatMap(({ caller, keys }) => [...keys, ...caller.sent]), ...peer.sent, ...derived];
  expect(secrets.length).toBeGreaterThan(100);
  await expectNoSecrets(cluster, { secrets, outputs: http.outputs });
});
