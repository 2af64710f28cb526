/** The client for apps (protocol.md §3): what it sends, which answers it accepts, and when it asks the next node. */
import { describe, expect, test } from '@jest/globals';
import { createKmsClient, KmsClientError, type KmsClientErrorCode, type KmsClientOptions } from '../../../src/client/index.ts';
import { appAuthMessage, responseMessage } from '../../../src/crypto/messages.ts';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { toWireEnvelope } from '../../../src/domain/envelope.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { Member } from '../../../src/domain/membership.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { keyOf, NodeSide, transportToNodes, type Bend } from '../../support/node-side.ts';
import { answerOf, never, PEER_NONCE } from '../../support/peer-side.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const PRIVATE_KEY = '11'.repeat(32);
/** The answer to `derive({ path: 'p' })`. */
const RIGHT_ANSWER = { app_id: 100, path: 'p', key: keyOf('p', 32).toString('base64'), length: 32 };
const REGISTRY = `0x${'0f'.repeat(20)}`;

function start(names: readonly string[], more: Partial<KmsClientOptions> = {}) {
  const nodes = names.map((name) => new NodeSide(name));
  const registry = { members: nodes.map(({ member }) => member) as readonly Member[], failing: false, hanging: false, reads: 0, signal: null as AbortSignal | null };
  const clock = new ManualClock();
  const source = {
    readMembership: async (signal: AbortSignal) => {
      registry.reads += 1;
      registry.signal = signal;
      if (registry.hanging) await new Promise(() => undefined);
      if (registry.failing) throw new DependencyError('chain', 'unreachable', 'the RPC cannot be read');
      return { members: registry.members };
    },
  };
  const client = createKmsClient(
    { registry: REGISTRY, chain: { source }, identity: { privateKey: PRIVATE_KEY }, ...more },
    { clock, random: new SeededRandom('client'), transport: transportToNodes(nodes) },
  );
  const asked = () => nodes.map(({ requests }) => requests.filter(({ url }) => url.endsWith('/nonce')).length);
  return { client, clock, nodes, registry, asked };
}

/** Advances the clock in steps, and lets the nodes and the client finish their work before each step. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    await settle(2_000);
    await clock.advance(Math.min(left, 500));
  }
  await settle(2_000);
}

async function failureOf(call: Promise<unknown>): Promise<KmsClientError> {
  const error = await call.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KmsClientError);
  return error as KmsClientError;
}

const status =
  (code: number, body: unknown = {}, headers: Readonly<Record<string, string>> = {}): Bend =>
  () =>
    answerOf(code, body, headers);

describe('a derived key', () => {
  test('is returned together with the app id and the node that answered', async () => {
    const { client, nodes } = start(['a']);
    const { wallet, url, teePubkey } = nodes[0]!.member;
    expect(await client.derive({ path: 'sessions' })).toEqual({
      key: new Uint8Array(keyOf('sessions', 32)),
      appId: 100,
      node: { wallet, url, teePubkey },
    });
  });

  test('is requested inside an envelope with exactly the given arguments', async () => {
    const { client, nodes } = start(['a']);
    await client.derive({ path: ' spaced:ä ', context: 'c', length: 64 });
    const [{ request, inner }] = nodes[0]!.received as [(typeof nodes)[0]['received'][0]];
    expect(inner).toEqual({ path: ' spaced:ä ', context: 'c', length: 64, nonce: PEER_NONCE, op: 'derive' });
    expect(request).toMatchObject({ method: 'POST', url: 'https://a.test/kms/derive' });
    expect(Object.keys(JSON.parse(request.body!) as object).sort()).toEqual(['encrypted_data', 'nonce', 'sender_tee_pubkey']);
  });

  test("is requested with a proof over the node's nonce, its wallet and the time", async () => {
    const { client, clock, nodes } = start(['a']);
    await client.derive({ path: 'p' });
    const headers = nodes[0]!.received[0]!.request.headers!;
    const timestamp = String(Math.floor(clock.nowMs() / 1000));
    expect(headers).toMatchObject({ 'x-app-nonce': PEER_NONCE, 'x-app-timestamp': timestamp });
    const signer = recoverEip191(appAuthMessage(PEER_NONCE, nodes[0]!.member.wallet, timestamp), headers['x-app-signature']!);
    expect(signer).toBe((await client.identity()).wallet);
  });

  test('is requested from one node per call, and from all nodes in turn', async () => {
    const { client, asked } = start(['a', 'b', 'c']);
    for (let call = 0; call < 6; call += 1) await client.derive({ path: 'p' });
    expect(asked()).toEqual([2, 2, 2]);
  });

  test.each([
    ['wallet', (member: Member) => member.wallet],
    ['wallet in upper case', (member: Member) => member.wallet.toUpperCase().replace('0X', '0x')],
    ['URL', (member: Member) => member.url],
    ['URL with a trailing slash', (member: Member) => `${member.url}/`],
  ])('is requested only from the node that the caller chose by its %s', async (_, nameOf) => {
    const { client, nodes, asked } = start(['a', 'b', 'c']);
    for (let call = 0; call < 3; call += 1) await client.derive({ path: 'p' }, { node: nameOf(nodes[1]!.member) });
    expect(asked()).toEqual([0, 3, 0]);
  });
});

describe('invalid arguments cause an error and no request:', () => {
  test.each<[string, Parameters<ReturnType<typeof start>['client']['derive']>[0]]>([
    ['an empty path', { path: '' }],
    ['a blank path', { path: ' \t' }],
    ['a path with too many bytes, but not too many characters', { path: 'ä'.repeat(2_049) }],
    ['a path and a context that are too long together', { path: 'p'.repeat(4_000), context: 'c'.repeat(97) }],
    ['an unpaired surrogate in the path', { path: 'p\ud800' }],
    ['an unpaired surrogate in the context', { path: 'p', context: '\udc00' }],
    ['a length of zero bytes', { path: 'p', length: 0 }],
    ['a length above the limit', { path: 'p', length: 1_025 }],
    ['a length that is not a whole number', { path: 'p', length: 32.5 }],
    ['a length that is not a number', { path: 'p', length: NaN }],
  ])('%s', async (_, arguments_) => {
    const { client, nodes, registry } = start(['a']);
    expect((await failureOf(client.derive(arguments_))).code).toBe('invalid_argument');
    expect([nodes[0]!.requests.length, registry.reads]).toEqual([0, 0]);
  });

  test.each<[string, Partial<KmsClientOptions>, string]>([
    ['an invalid private key', { identity: { privateKey: 'ff'.repeat(32) } }, 'identity.privateKey'],
    ['an invalid P-384 scalar', { identity: { privateKey: PRIVATE_KEY, teeScalar: '00' } }, 'identity.teeScalar'],
    ['an invalid enclave URL', { identity: { odynUrl: 'enclave' } }, 'identity.odynUrl'],
    ['an invalid RPC URL', { chain: { rpcUrl: 'rpc' } }, 'chain.rpcUrl'],
    ['an invalid registry', { chain: { rpcUrl: 'http://127.0.0.1:1' }, registry: '0x12' }, 'registry'],
    ['an invalid app id', { chain: { rpcUrl: 'http://127.0.0.1:1' }, appId: 0 }, 'appId'],
    ['a negative number of confirmations', { chain: { rpcUrl: 'http://127.0.0.1:1' }, confirmations: -1 }, 'confirmations'],
    ['a timeout of zero', { timeoutMs: 0 }, 'timeoutMs'],
    ['zero attempts', { maxAttempts: 0 }, 'maxAttempts'],
  ])('%s (the client cannot be created, and the error contains the name of the option)', (_, options, name) => {
    let thrown: unknown;
    try {
      start(['a'], options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(name) as unknown });
    expect(String(thrown)).not.toMatch(/f{8}|1{8}/);
  });
});

describe('the client asks the next node when the first node cannot be used:', () => {
  const stranger = new NodeSide('stranger');

  test.each<[string, Bend, string]>([
    ['it is not ready', status(503, { code: 'service_unavailable', message: 'initializing' }, { 'retry-after': '5' }), 'unready'],
    ['it refuses because of its rate limit', status(429, { code: 'rate_limited' }, { 'retry-after': '5' }), 'rate_limited'],
    ['it fails with 500', status(500, { code: 'internal_error' }), 'server_error'],
    ['a proxy in front of it fails', status(502, '<html>'), 'server_error'],
    ['it answers with a redirect', status(302, '', { location: 'https://elsewhere.test' }), 'bad_answer'],
    ['its answer has no signature', (answer) => ({ ...answer, headers: {} }), 'bad_answer_signature'],
    [
      'its answer is signed by the wrong wallet',
      async (answer, { request }, node) => ({
        ...answer,
        headers: { 'x-kms-response-signature': await stranger.enclave.sign(responseMessage(request.headers!['x-app-signature']!, node.member.wallet)) },
      }),
      'bad_answer_signature',
    ],
    [
      'its answer is signed for a different request',
      async (answer, _, node) => ({
        ...answer,
        headers: { 'x-kms-response-signature': await node.enclave.sign(responseMessage(`0x${'ab'.repeat(65)}`, node.member.wallet)) },
      }),
      'bad_answer_signature',
    ],
    [
      'its answer is sealed with the wrong key',
      async (answer, { request }) => {
        const { sender_tee_pubkey: sender } = JSON.parse(request.body!) as { sender_tee_pubkey: Member['teePubkey'] & string };
        const sealed = await stranger.enclave.encrypt(JSON.stringify(RIGHT_ANSWER), sender as Exclude<Member['teePubkey'], ''>);
        return { ...answer, body: Buffer.from(JSON.stringify(toWireEnvelope(sealed))) };
      },
      'bad_answer',
    ],
    ['its answer is plaintext', (answer) => ({ ...answer, body: Buffer.from('{"key":"AAAA"}') }), 'bad_answer'],
    ['its answer is random bytes', (answer) => ({ ...answer, body: Buffer.from('\x00garbage') }), 'bad_answer'],
    ['it returns a key of the wrong length', (_, received, node) => node.sealedAnswer(received, { key: 'AAAA' }), 'bad_answer'],
    ['it returns a key for a different path', (_, received, node) => node.sealedAnswer(received, { path: 'other' }), 'bad_answer'],
    ['it returns a key that is not valid base64', (_, received, node) => node.sealedAnswer(received, { key: '*'.repeat(44) }), 'bad_answer'],
    ['it returns a key for app 0', (_, received, node) => node.sealedAnswer(received, { app_id: 0 }), 'bad_answer'],
  ])('%s', async (_, bend, failure) => {
    const { client, nodes } = start(['a', 'b']);
    nodes[0]!.bend = bend;
    expect((await client.derive({ path: 'p' })).node.url).toBe('https://b.test');
    const alone = start(['a'], { maxAttempts: 1 });
    alone.nodes[0]!.bend = bend;
    const { attempts } = await failureOf(alone.client.derive({ path: 'p' }));
    expect(attempts.map((attempt) => attempt.failure)).toEqual([failure]);
  });

  test.each([
    ['503 when it is asked for a nonce', answerOf(503, {})],
    ['an invalid nonce', answerOf(200, { nonce: 'NovaKMS:Auth:' })],
    ['a nonce that is too long to sign', answerOf(200, { nonce: 'A'.repeat(68) })],
    ['a refusal when it is asked for a nonce', answerOf(403, { code: 'forbidden' })],
  ])('it returns %s', async (_, answer) => {
    const { client, nodes } = start(['a', 'b']);
    nodes[0]!.nonce = () => answer;
    expect((await client.derive({ path: 'p' })).node.url).toBe('https://b.test');
    expect(nodes[0]!.received).toHaveLength(0);
  });

  test('it does not answer within the timeout of one attempt', async () => {
    const { client, clock, nodes } = start(['a', 'b'], { attemptTimeoutMs: 2_000 });
    nodes[0]!.nonce = never;
    const derived = client.derive({ path: 'p' });
    await clock.advance(2_000);
    expect((await derived).node.url).toBe('https://b.test');
  });

  test('its registered key is not valid', async () => {
    const { client, nodes, registry } = start(['a', 'b']);
    const [first, second] = nodes.map(({ member }) => member);
    registry.members = [{ ...first!, teePubkey: 'abcd' as Member['teePubkey'] }, second!];
    expect((await client.derive({ path: 'p' })).node.url).toBe('https://b.test');
  });

  test('it has failed recently, so it is asked last for a while', async () => {
    const { client, clock, nodes, asked } = start(['a', 'b']);
    nodes[0]!.bend = status(500);
    for (let call = 0; call < 4; call += 1) await client.derive({ path: 'p' });
    expect(asked()).toEqual([1, 4]);
    await clock.advance(30_000);
    for (let call = 0; call < 2; call += 1) await client.derive({ path: 'p' });
    expect(asked()[0]).toBe(2);
  });
});

describe('the time in Retry-After', () => {
  test('is how long the client waits before it asks the nodes again, if no node is ready', async () => {
    const { client, clock, nodes, asked } = start(['a', 'b']);
    nodes.forEach((node) => (node.bend = status(503, {}, { 'retry-after': '4' })));
    const derived = client.derive({ path: 'p' });
    await pass(clock, 3_999);
    expect(asked()).toEqual([1, 1]);
    nodes.forEach((node) => (node.bend = (answer) => answer));
    await pass(clock, 1_000);
    expect((await derived).appId).toBe(100);
  });

  test('makes the call fail immediately if it is longer than the timeout of the call', async () => {
    const { client, nodes } = start(['a'], { timeoutMs: 10_000 });
    nodes[0]!.bend = status(503, {}, { 'retry-after': '60' });
    expect(await failureOf(client.derive({ path: 'p' }))).toMatchObject({ code: 'unavailable' });
  });
});

describe('a call ends with', () => {
  test.each<[string, number, unknown, KmsClientErrorCode, string | undefined]>([
    ['`refused` when both nodes refuse the request', 400, { code: 'bad_request' }, 'refused', 'bad_request'],
    ['`refused` when both nodes refuse the app', 403, { code: 'forbidden' }, 'refused', 'forbidden'],
    ['`refused` when both nodes refuse the proof', 403, { code: 'unauthorized' }, 'refused', 'unauthorized'],
    ['`refused` when both nodes refuse the size of the request', 413, { code: 'payload_too_large' }, 'refused', 'payload_too_large'],
    ['`bad_answer` when the body of a refusal is not valid', 403, '<html>secret</html>', 'bad_answer', undefined],
  ])('%s', async (_, httpStatus, body, code, serverCode) => {
    const { client, nodes, asked } = start(['a', 'b']);
    nodes.forEach((node) => (node.bend = status(httpStatus, body)));
    const error = await failureOf(client.derive({ path: 'p' }));
    expect({ code: error.code, serverCode: error.serverCode }).toEqual({ code, serverCode });
    expect(error.message).not.toContain('secret');
    expect(asked()).toEqual([1, 1]);
  });

  test('`refused` when the only node refuses', async () => {
    const { client, nodes } = start(['a']);
    nodes[0]!.bend = status(403, { code: 'forbidden' });
    expect(await failureOf(client.derive({ path: 'p' }))).toMatchObject({ code: 'refused', status: 403, serverCode: 'forbidden' });
  });

  test('`refused` when the node that the caller chose refuses, even if another node would answer', async () => {
    const { client, nodes, asked } = start(['a', 'b']);
    nodes[0]!.bend = status(403, { code: 'forbidden' });
    expect((await failureOf(client.derive({ path: 'p' }, { node: 'https://a.test' }))).code).toBe('refused');
    expect(asked()).toEqual([1, 0]);
  });

  test('the answer from the second node when only the first refuses: one refusal is not final, because refusals are not signed', async () => {
    const { client, nodes } = start(['a', 'b']);
    nodes[0]!.bend = status(403, { code: 'forbidden' });
    expect((await client.derive({ path: 'p' })).node.url).toBe('https://b.test');
  });

  test('`bad_answer_signature` when no node signs correctly', async () => {
    const { client, nodes } = start(['a', 'b']);
    nodes.forEach((node) => (node.bend = (answer) => ({ ...answer, headers: {} })));
    const error = await failureOf(client.derive({ path: 'p' }));
    expect(error.code).toBe('bad_answer_signature');
    expect(error.attempts.map(({ url }) => url)).toEqual(['https://a.test', 'https://b.test']);
  });

  test('`unavailable` when the last attempt has failed', async () => {
    const { client, clock, nodes, asked } = start(['a', 'b'], { maxAttempts: 5 });
    nodes.forEach((node) => (node.bend = status(500)));
    const failed = failureOf(client.derive({ path: 'p' }));
    await pass(clock, 29_000);
    expect((await failed).code).toBe('unavailable');
    expect(asked().reduce((sum, count) => sum + count)).toBe(5);
  });

  test('`timeout` when all attempts together reach the timeout of the client', async () => {
    const { client, clock, nodes } = start(['a', 'b'], { timeoutMs: 3_000, attemptTimeoutMs: 2_000 });
    nodes.forEach((node) => (node.nonce = never));
    const failed = failureOf(client.derive({ path: 'p' }));
    await clock.advance(3_000);
    const error = await failed;
    expect(error.code).toBe('timeout');
    expect(error.attempts.map(({ failure }) => failure)).toEqual(['timeout']);
  });

  test('`timeout` when the call reaches the timeout that the caller set for it', async () => {
    const { client, clock, nodes } = start(['a']);
    nodes[0]!.nonce = never;
    const failed = failureOf(client.derive({ path: 'p' }, { timeoutMs: 500 }));
    await clock.advance(500);
    expect((await failed).code).toBe('timeout');
  });

  test('`timeout` only after the time for which a write may wait for acknowledgements, even if the timeout of the client is shorter', async () => {
    const { client, clock, nodes } = start(['a'], { timeoutMs: 3_000, attemptTimeoutMs: 5_000 });
    nodes[0]!.nonce = never;
    let failed: unknown = null;
    const put = client.put({ key: 'k', value: new Uint8Array(1), acks: 1, ackTimeoutMs: 45_000 }).catch((error: unknown) => (failed = error));
    await clock.advance(47_999);
    expect(failed).toBeNull();
    await clock.advance(1);
    await put;
    expect(failed).toMatchObject({ code: 'timeout' });
  });

  test('`aborted` when the caller aborts', async () => {
    const { client, nodes } = start(['a']);
    nodes[0]!.nonce = never;
    const controller = new AbortController();
    const failed = failureOf(client.derive({ path: 'p' }, { signal: controller.signal }));
    await settle();
    controller.abort();
    expect((await failed).code).toBe('aborted');
  });

  test('`no_nodes` when the registry lists no node', async () => {
    expect((await failureOf(start([]).client.derive({ path: 'p' }))).code).toBe('no_nodes');
  });

  test('`no_nodes` when the node that the caller chose is not listed', async () => {
    const { client, asked } = start(['a']);
    expect((await failureOf(client.derive({ path: 'p' }, { node: 'https://z.test' }))).code).toBe('no_nodes');
    expect(asked()).toEqual([0]);
  });

  test('`registry_unavailable` when no read of the registry has succeeded', async () => {
    const { client, registry } = start(['a']);
    registry.failing = true;
    expect((await failureOf(client.derive({ path: 'p' }))).code).toBe('registry_unavailable');
  });

  test('`identity_unavailable` when the enclave of the app cannot be reached', async () => {
    const refusal = new DependencyError('enclave', 'unreachable', 'the enclave API cannot be reached');
    const identity = { address: async () => Promise.reject(refusal), publicKey: async () => Promise.reject(refusal), sign: async () => Promise.reject(refusal), encrypt: async () => Promise.reject(refusal), decrypt: async () => Promise.reject(refusal) };
    const { client } = start(['a', 'b'], { identity });
    expect((await failureOf(client.derive({ path: 'p' }))).code).toBe('identity_unavailable');
    expect((await failureOf(client.identity())).code).toBe('identity_unavailable');
  });
});

describe('the list of nodes', () => {
  test('is read once for many calls, and again when it is too old', async () => {
    const { client, clock, registry } = start(['a']);
    await Promise.all([1, 2, 3].map(() => client.derive({ path: 'p' })));
    expect(registry.reads).toBe(1);
    await clock.advance(60_000);
    await client.derive({ path: 'p' });
    expect(registry.reads).toBe(2);
  });

  test('is still used when it cannot be read again', async () => {
    const { client, clock, registry } = start(['a']);
    await client.derive({ path: 'p' });
    registry.failing = true;
    await clock.advance(60_000);
    expect((await client.derive({ path: 'p' })).appId).toBe(100);
    expect(registry.reads).toBe(2);
  });

  test('is still used while a slow read of the registry is under way, and a new read begins only after a pause', async () => {
    const { client, clock, registry } = start(['a']);
    await client.derive({ path: 'p' });
    registry.hanging = true;
    await clock.advance(60_000);
    const first = client.derive({ path: 'p' }, { timeoutMs: 5_000 });
    await pass(clock, 1_000);
    expect((await first).appId).toBe(100);
    expect((await client.derive({ path: 'p' })).appId).toBe(100);
    await pass(clock, 15_000);
    expect((await client.derive({ path: 'p' })).appId).toBe(100);
    expect(registry.reads).toBe(2);
    await pass(clock, 5_000);
    const later = client.derive({ path: 'p' });
    await pass(clock, 1_000);
    expect((await later).appId).toBe(100);
    expect(registry.reads).toBe(3);
  });

  test('is no longer read when the client is closed: a read that is under way is aborted', async () => {
    const { client, registry } = start(['a']);
    registry.hanging = true;
    const failed = failureOf(client.nodes());
    await settle(500);
    await client.close();
    expect((await failed).code).toBe('closed');
    await settle(500);
    expect(registry.signal?.aborted).toBe(true);
  });

  test('contains only members with a registered key', async () => {
    const { client, nodes, registry } = start(['a', 'b']);
    registry.members = [{ ...nodes[0]!.member, teePubkey: '' }, nodes[1]!.member];
    expect((await client.nodes()).map(({ url }) => url)).toEqual(['https://b.test']);
  });

  test('is read again when a node has restarted and refuses requests that were sealed to its old key', async () => {
    const { client, clock, nodes, registry } = start(['a']);
    const [node] = nodes as [NodeSide];
    registry.members = [{ ...node.member, teePubkey: new NodeSide('before the boot').member.teePubkey }];
    node.serve = async (request) => {
      node.requests.push(request);
      return request.url.endsWith('/nonce') ? answerOf(200, { nonce: PEER_NONCE }) : answerOf(400, { code: 'bad_request' });
    };
    await client.nodes();
    await clock.advance(6_000);
    registry.members = [node.member];
    const derived = client.derive({ path: 'p' });
    await settle(500);
    node.serve = NodeSide.prototype.serve.bind(node);
    await clock.advance(1_000);
    expect((await derived).appId).toBe(100);
    expect(registry.reads).toBe(2);
  });
});

describe('close', () => {
  test('ends the current calls and makes all later calls fail', async () => {
    const { client, nodes, asked } = start(['a']);
    nodes[0]!.nonce = never;
    const failed = failureOf(client.derive({ path: 'p' }));
    await settle();
    await client.close();
    expect((await failed).code).toBe('closed');
    expect((await failureOf(client.derive({ path: 'p' }))).code).toBe('closed');
    expect((await failureOf(client.nodes())).code).toBe('closed');
    expect(asked()).toEqual([1]);
  });

  test("makes the client's identity unavailable", async () => {
    const { client } = start(['a']);
    await client.identity();
    await client.close();
    expect((await failureOf(client.identity())).code).toBe('identity_unavailable');
  });

  test('may be called twice', async () => {
    const { client } = start(['a']);
    await client.close();
    await expect(client.close()).resolves.toBeUndefined();
  });
});
