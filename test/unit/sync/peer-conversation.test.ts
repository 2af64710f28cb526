/** One exchange with a member (protocol.md §3, answer signatures; §5; §10, request_id and nonces), and all rules that apply to it. */
import { describe, expect, test } from '@jest/globals';
import { canonicalJson } from '../../../src/crypto/canonical-json.ts';
import { peerAuthMessage, responseMessage } from '../../../src/crypto/messages.ts';
import { recoverEip191 } from '../../../src/crypto/signature.ts';
import { toWireEnvelope } from '../../../src/domain/envelope.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { TransportAnswer } from '../../../src/domain/ports.ts';
import { PeerError } from '../../../src/sync/peer-error.ts';
import { startAskingNode, type AskingNode } from '../../support/asking-node.ts';
import { settle } from '../../support/manual-clock.ts';
import { answerOf, never, PEER_NONCE, PeerSide, type PeerBehaviour, type SyncRequest } from '../../support/peer-side.ts';

const OTHER_NONCE = Buffer.from('the next nonce').toString('base64');

function start(behaviour: PeerBehaviour = {}, options: Parameters<typeof startAskingNode>[1] = {}) {
  const peer = new PeerSide('peer', behaviour);
  const node = startAskingNode([peer], options);
  const controller = new AbortController();
  const exchange = (type = 'snapshot_request', maxAnswerBytes = 65_536) =>
    node.conversation.exchange(peer.member, { type, data: 1 }, { timeoutMs: 15_000, maxAnswerBytes, signal: controller.signal });
  return { peer, node, exchange, controller };
}

const refusedWith = (status: number): DependencyError => new DependencyError('enclave', 'refused', 'the enclave refused', { status });

async function failureOf(call: Promise<unknown>): Promise<PeerError> {
  const error = await call.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PeerError);
  return error as PeerError;
}

const last = (peer: PeerSide): SyncRequest => peer.syncRequests.at(-1)!;

describe('a request', () => {
  test('has a signature over the nonce, the receiver and the time', async () => {
    const { peer, node, exchange } = start();
    await exchange();
    const { headers } = last(peer);
    const timestamp = Math.floor(node.clock.nowMs() / 1000);
    expect(headers).toMatchObject({ 'x-kms-nonce': PEER_NONCE, 'x-kms-timestamp': String(timestamp), 'x-kms-wallet': node.identity.wallet });
    const signed = recoverEip191(peerAuthMessage(PEER_NONCE, peer.member.wallet, timestamp), headers['x-kms-signature']!);
    expect(signed).toBe(node.identity.wallet);
  });

  test('contains the message, the sender, the store_id and a fresh request_id of 16 bytes', async () => {
    const { peer, node, exchange } = start();
    await exchange('delta');
    await exchange('delta');
    expect(last(peer).inner).toMatchObject({ type: 'delta', data: 1, sender_wallet: node.identity.wallet, store_id: node.storeId });
    const [first, second] = peer.messages.map(({ request_id: id }) => id as string);
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(second).not.toBe(first);
  });

  test('has an HMAC over the envelope that was sent', async () => {
    const { peer, node, exchange } = start();
    await exchange();
    const { headers, body } = last(peer);
    expect(node.vault.verifySyncHmac(canonicalJson(JSON.parse(body)), headers['x-sync-signature']!)).toBe(true);
  });

  test.each([
    ['it asks for the master secret', 'master_secret_request', true],
    ['it comes from a node without a sync key', 'snapshot_request', false],
  ])('has no HMAC if %s', async (_, type, holdsSecret) => {
    const { peer, exchange } = start({}, { holdsSecret });
    await exchange(type);
    expect(last(peer).headers).not.toHaveProperty('x-sync-signature');
  });

  test('has the timeouts and size limits of the protocol', async () => {
    const { peer, exchange } = start();
    await exchange('delta', 1_000_000);
    expect(peer.nonceRequests[0]).toMatchObject({ timeoutMs: 5_000, maxAnswerBytes: 65_536 });
    expect(last(peer).request).toMatchObject({ timeoutMs: 15_000, maxAnswerBytes: 1_000_000 });
  });
});

test('a peer that is no longer a member gets no request, and is not remembered as wrong', async () => {
  const { peer, node, exchange } = start();
  node.state.isMember = false;
  expect((await failureOf(exchange())).failure).toBe('aborted');
  expect([peer.nonceRequests, peer.syncRequests, node.book.isWrong(peer.member)]).toEqual([[], [], false]);
});

describe('a nonce', () => {
  test.each<[string, TransportAnswer]>([
    ['that is not valid base64', answerOf(200, { nonce: 'NovaKMS:AppAuth:x' })],
    ['with one character too few', answerOf(200, { nonce: 'bm9uY2U' })],
    ['in URL-safe base64', answerOf(200, { nonce: 'bm9u-2U_' })],
    ['of 68 characters', answerOf(200, { nonce: 'A'.repeat(68) })],
    ['that is empty', answerOf(200, { nonce: '' })],
    ['that is not a string', answerOf(200, { nonce: 17 })],
    ['that is missing', answerOf(200, {})],
    ['in an answer that is not valid JSON', answerOf(200, 'nonce')],
  ])('%s is never signed', async (_, answer) => {
    const { peer, node, exchange } = start({ nonce: () => answer });
    expect((await failureOf(exchange())).failure).toBe('bad_nonce');
    expect(peer.syncRequests).toHaveLength(0);
    expect(node.book.isWrong(peer.member)).toBe(false);
  });

  test('of 64 characters is accepted', async () => {
    const { peer, exchange } = start({ nonce: () => answerOf(200, { nonce: 'A'.repeat(64) }) });
    await exchange();
    expect(last(peer).headers['x-kms-nonce']).toBe('A'.repeat(64));
  });
});

describe('the next nonce in an answer', () => {
  test('is used for the next request, but only once', async () => {
    let answers = 0;
    const { peer, exchange } = start({ answer: () => (answers++ === 0 ? { next_nonce: OTHER_NONCE } : {}) });
    for (let count = 0; count < 3; count += 1) await exchange();
    expect(peer.syncRequests.map(({ headers }) => headers['x-kms-nonce'])).toEqual([PEER_NONCE, OTHER_NONCE, PEER_NONCE]);
    expect(peer.nonceRequests).toHaveLength(2);
  });

  test('is not used when it is too old', async () => {
    const { peer, node, exchange } = start({ answer: () => ({ next_nonce: OTHER_NONCE }) });
    await exchange();
    await node.clock.advance(60_000);
    await exchange();
    expect(last(peer).headers['x-kms-nonce']).toBe(PEER_NONCE);
  });

  test.each(['not base64!', 'A'.repeat(68), ''])('is ignored when it is %j', async (nextNonce) => {
    const { peer, exchange } = start({ answer: () => ({ next_nonce: nextNonce }) });
    await exchange();
    await exchange();
    expect(last(peer).headers['x-kms-nonce']).toBe(PEER_NONCE);
  });

  test('is replaced by a fresh nonce when the peer refuses it with 403', async () => {
    const { peer, exchange } = start({
      answer: () => ({ next_nonce: OTHER_NONCE }),
      bend: (answer, { headers }) => (headers['x-kms-nonce'] === OTHER_NONCE ? answerOf(403, { code: 'unauthorized' }) : answer),
    });
    await exchange();
    expect(await exchange()).toMatchObject({ status: 'ok' });
    expect(peer.syncRequests.map(({ headers }) => headers['x-kms-nonce'])).toEqual([PEER_NONCE, OTHER_NONCE, PEER_NONCE]);
  });

  test('does not exist yet when the peer refuses the first request; the error then reports how far off the clock of the peer is', async () => {
    const { node, exchange } = start({ bend: () => answerOf(403, { message: 'secret' }, { date: 'Sun, 29 Nov 2026 12:02:10 GMT' }) });
    const behindMs = node.clock.nowMs() - Date.parse('Sun, 29 Nov 2026 12:02:10 GMT');
    const words = `its clock is ${Math.round(Math.abs(behindMs) / 1000)} s ${behindMs > 0 ? 'behind' : 'ahead of'} this node's`;
    expect((await failureOf(exchange())).message).toBe(`the peer answered 403; ${words}`);
  });

  test('does not lead to a third attempt: when the peer refuses the fresh nonce too, the exchange fails', async () => {
    let refusing = false;
    const { peer, exchange } = start({
      answer: () => ({ next_nonce: OTHER_NONCE }),
      bend: (answer) => (refusing ? answerOf(403, { code: 'forbidden' }) : answer),
    });
    await exchange();
    refusing = true;
    expect(await failureOf(exchange())).toMatchObject({ failure: 'refused', status: 403 });
    expect(peer.syncRequests).toHaveLength(3);
  });

  test.each([400, 429, 500, 503])('does not lead to a second attempt when the peer answers with %i', async (status) => {
    let refusing = false;
    const { peer, exchange } = start({
      answer: () => ({ next_nonce: OTHER_NONCE }),
      bend: (answer) => (refusing ? answerOf(status, { code: 'x' }) : answer),
    });
    await exchange();
    refusing = true;
    expect(await failureOf(exchange())).toMatchObject({ failure: 'refused', status });
    expect(peer.syncRequests).toHaveLength(2);
  });
});

describe('a peer whose answers have no next nonce', () => {
  test('gets five requests for a nonce in a burst, and the sixth 3 s later', async () => {
    const { peer, node, exchange } = start();
    for (let count = 0; count < 5; count += 1) await exchange();
    const sixth = exchange();
    await node.clock.advance(2_999);
    expect(peer.nonceRequests).toHaveLength(5);
    await node.clock.advance(1);
    expect(await sixth).toMatchObject({ status: 'ok' });
  });

  test.each<[string, PeerBehaviour]>([
    ['requests for nonces', { nonce: () => answerOf(429, { code: 'rate_limited' }, { 'retry-after': '20' }) }],
    ['other requests', { bend: () => answerOf(429, { code: 'rate_limited' }, { 'retry-after': '20' }) }],
  ])('gets no more requests until its Retry-After has passed, if it answered %s with 429; a call waits for that time only if at most 5 s are left', async (_, behaviour) => {
    const { peer, node, exchange } = start(behaviour);
    expect(await failureOf(exchange())).toMatchObject({ failure: 'refused', status: 429, retryAfterMs: 20_000 });
    expect(await failureOf(exchange())).toMatchObject({ failure: 'refused', status: undefined, retryAfterMs: 20_000 });
    await node.clock.advance(14_999);
    expect(await failureOf(exchange())).toMatchObject({ failure: 'refused', retryAfterMs: 5_001 });
    expect(peer.nonceRequests).toHaveLength(1);
    await node.clock.advance(1);
    const waiting = failureOf(exchange());
    await node.clock.advance(4_999);
    expect(peer.nonceRequests).toHaveLength(1);
    await node.clock.advance(1);
    await waiting;
    expect(peer.nonceRequests).toHaveLength(2);
  });

  test('still gets five requests in a burst after calls that failed without waiting', async () => {
    const { peer, node, exchange } = start({ nonce: () => answerOf(429, { code: 'rate_limited' }, { 'retry-after': '6' }) });
    for (let count = 0; count < 5; count += 1) await failureOf(exchange());
    await node.clock.advance(6_000);
    peer.behaviour.nonce = () => answerOf(200, { nonce: PEER_NONCE });
    for (let count = 0; count < 5; count += 1) expect(await exchange()).toMatchObject({ status: 'ok' });
  });

  test('is no longer waited for after the caller has aborted', async () => {
    const { peer, node, exchange, controller } = start();
    for (let count = 0; count < 5; count += 1) await exchange();
    const sixth = expect(exchange()).rejects.toThrow('given up');
    await settle();
    controller.abort(new Error('given up'));
    await sixth;
    expect(peer.nonceRequests).toHaveLength(5);
    expect(node.book.reserveNonceRequest(peer.member)).toBe(3_000);
  });
});

const withHeader = (answer: TransportAnswer, value: string): TransportAnswer => ({ ...answer, headers: { 'x-kms-peer-signature': value } });

/** Replaces the body of the answer. The signature of the answer stays valid, because it does not cover the body. */
function resealed(make: (peer: PeerSide, node: AskingNode, request: SyncRequest) => Promise<unknown>) {
  return async (peer: PeerSide, node: AskingNode, answer: TransportAnswer, request: SyncRequest): Promise<TransportAnswer> => ({
    ...answer,
    body: Buffer.from(JSON.stringify(await make(peer, node, request))),
  });
}

type Bend = (peer: PeerSide, node: AskingNode, answer: TransportAnswer, request: SyncRequest) => TransportAnswer | Promise<TransportAnswer>;

describe('an answer', () => {
  const stranger = new PeerSide('stranger');

  test.each<[string, string, Bend]>([
    ['without a signature', 'bad_signature', (_, __, answer) => ({ ...answer, headers: {} })],
    ['with an invalid signature', 'bad_signature', (_, __, answer) => withHeader(answer, '0xdeadbeef')],
    [
      'signed by the wrong wallet',
      'bad_signature',
      async (peer, _, answer, { headers }) =>
        withHeader(answer, await stranger.enclave.sign(responseMessage(headers['x-kms-signature']!, peer.member.wallet))),
    ],
    [
      'signed over the signature of another request',
      'bad_signature',
      async (peer, _, answer) => withHeader(answer, await peer.enclave.sign(responseMessage(`0x${'ab'.repeat(65)}`, peer.member.wallet))),
    ],
    [
      'signed for another node',
      'bad_signature',
      async (peer, node, answer, { headers }) =>
        withHeader(answer, await peer.enclave.sign(responseMessage(headers['x-kms-signature']!, node.identity.wallet))),
    ],
    ['that is plaintext', 'not_an_envelope', resealed(async () => ({ status: 'ok', data: {} }))],
    ['that is not an object', 'not_an_envelope', resealed(async () => [1])],
    ['that is not valid JSON', 'not_an_envelope', (_, __, answer) => ({ ...answer, body: Buffer.from('{') })],
    [
      'in an envelope from the wrong key',
      'not_an_envelope',
      resealed(async (_, node) => toWireEnvelope(await stranger.enclave.encrypt('{"status":"ok"}', node.identity.teePubkey))),
    ],
    [
      'sealed with the wrong key, but labelled with the registered key',
      'does_not_open',
      resealed(async (peer, node) => ({
        ...toWireEnvelope(await stranger.enclave.encrypt('{"status":"ok"}', node.identity.teePubkey)),
        sender_tee_pubkey: peer.member.teePubkey,
      })),
    ],
    [
      'sealed for someone else',
      'does_not_open',
      resealed(async (peer) => toWireEnvelope(await peer.enclave.encrypt('{"status":"ok"}', stranger.enclave.emulated.teePubkey))),
    ],
    ['whose inner text is not valid JSON', 'bad_answer', (peer, _, __, request) => peer.sealedAnswer(request, 'ok')],
    ['whose inner text is not an object', 'bad_answer', (peer, _, __, request) => peer.sealedAnswer(request, ['ok'])],
    ['whose status is not ok', 'bad_answer', (peer, _, __, request) => peer.sealedAnswer(request, { status: 'error' })],
    ['without a status', 'bad_answer', (peer, _, __, request) => peer.sealedAnswer(request, {})],
    ['that echoes another request', 'wrong_echo', (peer, _, __, request) => peer.sealedAnswer(request, { status: 'ok', request_id: 'f'.repeat(32) })],
  ])('%s is refused, and the peer is remembered as wrong', async (_, failure, bend) => {
    const running: { node?: AskingNode } = {};
    const peer: PeerSide = new PeerSide('peer', { bend: (answer, request) => bend(peer, running.node!, answer, request) });
    const node = startAskingNode([peer]);
    running.node = node;
    const exchange = node.conversation.exchange(
      peer.member,
      { type: 'snapshot_request' },
      { timeoutMs: 1, maxAnswerBytes: 65_536, signal: new AbortController().signal },
    );
    expect((await failureOf(exchange)).failure).toBe(failure);
    expect(node.book.isWrong(peer.member)).toBe(true);
    expect(node.book.takeNonce(peer.member)).toBeNull();
  });

  test('without an echo is refused if the peer has already echoed a request; the peer is then remembered as wrong', async () => {
    const behaviour: PeerBehaviour = {};
    const { peer, node, exchange } = start(behaviour);
    await exchange();
    behaviour.echoes = false;
    expect((await failureOf(exchange())).failure).toBe('wrong_echo');
    expect(node.book.isWrong(peer.member)).toBe(true);
  });
});

describe('an acceptable answer', () => {
  test('may have no echo if the peer has never echoed a request', async () => {
    const { exchange } = start({ echoes: false });
    expect(await exchange()).toMatchObject({ status: 'ok' });
    expect(await exchange()).toMatchObject({ status: 'ok' });
  });

  test('may have unknown fields', async () => {
    const { exchange } = start({ answer: () => ({ novelty: { deep: true } }) });
    expect(await exchange()).toMatchObject({ novelty: { deep: true } });
  });

  test('makes the node remember the store_id in the answer', async () => {
    const { peer, node, exchange } = start({ answer: () => ({ store_id: 'aaaabbbbccccdddd' }) });
    await exchange();
    expect(node.book.stateOf(peer.member).storeId).toBe('aaaabbbbccccdddd');
  });
});

describe('an answer that the enclave of this node does not open', () => {
  test.each<[string, DependencyError, object]>([
    ['is reported as too large if the enclave refuses it with 413; the peer is then not remembered as wrong', refusedWith(413), { name: 'PeerError', failure: 'too_large' }],
    ['is reported as a failure of the enclave if the enclave refuses it with 403', refusedWith(403), { name: 'DependencyError', dependency: 'enclave', failure: 'refused' }],
    ['is reported as a failure of the enclave if the enclave takes too long', new DependencyError('enclave', 'timeout', 'late'), { name: 'DependencyError', failure: 'timeout' }],
  ])('%s', async (_, error, thrown) => {
    const { peer, node, exchange } = start();
    Object.assign(node.enclave, { decrypt: () => Promise.reject(error) });
    await expect(exchange()).rejects.toMatchObject(thrown);
    expect(node.book.standingOf(peer.member)).toBe('good');
  });
});

describe('a peer that does not answer in time', () => {
  const late = (): Promise<TransportAnswer> => Promise.reject(new DependencyError('peer', 'timeout', 'the peer took too long'));

  test.each<[string, PeerBehaviour]>([
    ['when asked for a nonce', { nonce: late }],
    ['when asked for anything else', { bend: late }],
  ])('%s is remembered as silent until it answers', async (_, behaviour) => {
    const { peer, node, exchange } = start(behaviour);
    expect((await failureOf(exchange())).failure).toBe('timeout');
    expect(node.book.standingOf(peer.member)).toBe('silent');
    delete behaviour.nonce;
    delete behaviour.bend;
    await exchange();
    expect(node.book.standingOf(peer.member)).toBe('good');
  });
});

describe('a failed exchange', () => {
  test.each<[string, PeerBehaviour, Partial<PeerError>]>([
    ['500 instead of a nonce', { nonce: () => answerOf(500, {}) }, { failure: 'refused', status: 500 }],
    ['503 with Retry-After', { bend: () => answerOf(503, {}, { 'retry-after': '7' }) }, { failure: 'refused', status: 503, retryAfterMs: 7_000 }],
    ['a redirect', { bend: () => answerOf(302, {}, { location: 'https://elsewhere.test' }) }, { failure: 'refused', status: 302 }],
    ['an answer that is too large', { answer: () => ({ data: 'x'.repeat(100_000) }) }, { failure: 'too_large' }],
  ])('does not make the node remember the peer as wrong: %s', async (_, behaviour, failure) => {
    const { peer, node, exchange } = start(behaviour);
    expect(await failureOf(exchange())).toMatchObject(failure);
    expect(node.book.isWrong(peer.member)).toBe(false);
  });

  test('is reported as unreachable if the node cannot connect to the peer', async () => {
    const node = startAskingNode([]);
    const { member } = new PeerSide('absent');
    const options = { timeoutMs: 1, maxAnswerBytes: 1, signal: new AbortController().signal };
    expect((await failureOf(node.conversation.exchange(member, { type: 'delta' }, options))).failure).toBe('unreachable');
  });

  test('is reported as aborted if the caller aborts it before the answer arrives', async () => {
    const { exchange, controller } = start({ nonce: never });
    const failed = failureOf(exchange());
    await settle();
    controller.abort();
    expect((await failed).failure).toBe('aborted');
  });
});

describe('no request is sent', () => {
  test('to a member without a registered teePubkey', async () => {
    const { peer, node } = start();
    const options = { timeoutMs: 1, maxAnswerBytes: 65_536, signal: new AbortController().signal };
    const exchange = node.conversation.exchange({ ...peer.member, teePubkey: '' }, { type: 'delta' }, options);
    expect((await failureOf(exchange)).failure).toBe('not_an_envelope');
    expect(peer.syncRequests).toHaveLength(0);
  });
});
