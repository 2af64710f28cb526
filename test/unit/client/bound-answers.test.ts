/**
 * A party that terminates TLS in front of a node can swap answers, forge a 404, or change the bounds of a listing. The client detects this
 * because the sealed answer repeats the nonce and the bounds of its request (protocol.md §10, Bound to the request). The client also
 * accepts answers from older nodes, which do not repeat them.
 */
import { describe, expect, test } from '@jest/globals';
import { createKmsClient, KmsClientError, type KmsClient } from '../../../src/client/index.ts';
import { bondOf, type ListingBounds } from '../../../src/client/bound-answer.ts';
import { NodeHabits } from '../../../src/client/node-habits.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { TransportAnswer } from '../../../src/domain/ports.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { NodeSide, transportToNodes, type Habits } from '../../support/node-side.ts';
import { answerOf, PEER_NONCE } from '../../support/peer-side.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const VALUE = new Uint8Array(Buffer.from('value'));
const NEWER: Partial<Habits> = { binds: true, seals: true };

/** A client that knows one node. */
async function start(habits: Partial<Habits> = {}) {
  const node = new NodeSide('a');
  Object.assign(node.habits, habits);
  const client = createKmsClient(
    { registry: `0x${'0f'.repeat(20)}`, chain: { source: { readMembership: async () => ({ members: [node.member] }) } }, identity: { privateKey: '11'.repeat(32) }, maxAttempts: 1 },
    { clock: new ManualClock(), random: new SeededRandom('client'), transport: transportToNodes([node]) },
  );
  node.appKey = (await client.identity()).teePubkey;
  node.values.set('red', Buffer.from('rose').toString('base64'));
  node.values.set('white', Buffer.from('lily').toString('base64'));
  return { client, node };
}

async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: unknown) => {
    expect(error).toBeInstanceOf(KmsClientError);
    return (error as KmsClientError).code;
  });
}

const CALLS: readonly (readonly [string, (client: KmsClient) => Promise<unknown>, string | undefined])[] = [
  ['a derive', (client) => client.derive({ path: 'p' }), 'derive'],
  ['a put', (client) => client.put({ key: 'k', value: VALUE }), 'put'],
  ['a get', (client) => client.get('red'), undefined],
  ['a list', (client) => client.list({ prefix: 'r' }), undefined],
  ['a delete', (client) => client.delete({ key: 'white' }), 'delete'],
];

describe('the request for', () => {
  test.each(CALLS)('%s asks for sealed errors and for the next nonce; unless the request is a read, its envelope contains the nonce and the operation', async (_, call, op) => {
    const { client, node } = await start();
    await call(client);
    const [{ request, inner }] = node.received as [(typeof node.received)[0]];
    expect([inner['nonce'], inner['op']]).toEqual(op === undefined ? [undefined, undefined] : [PEER_NONCE, op]);
    expect(request.headers).toMatchObject({ 'x-app-nonce': PEER_NONCE, 'x-nova-sealed-errors': '1', 'x-nova-next-nonce': '1' });
  });
});

describe.each(CALLS)('the answer to %s', (_, call) => {
  test('is accepted from an older node, although it does not contain the nonce of the request', async () => {
    const { client } = await start();
    expect(typeof (await outcomeOf(call(client)))).toBe('object');
  });

  test('is accepted with the nonce of the request', async () => {
    const { client } = await start(NEWER);
    expect(typeof (await outcomeOf(call(client)))).toBe('object');
  });

  test('is refused with the nonce of another request', async () => {
    const { client, node } = await start(NEWER);
    node.bend = (__, received) => node.sealedAnswer(received, { nonce: Buffer.from('another nonce').toString('base64') });
    expect(await outcomeOf(call(client))).toBe('bad_answer');
  });

  test('is refused if it has no nonce although an earlier answer from the same node had one', async () => {
    const { client, node } = await start(NEWER);
    await client.derive({ path: 'first' });
    node.habits.binds = false;
    expect(await outcomeOf(call(client))).toBe('bad_answer');
  });
});

test('the client refuses the answers to two simultaneous requests if they were swapped, although both are well-formed', async () => {
  const { client, node } = await start(NEWER);
  const both: { readonly answer: TransportAnswer; readonly give: (answer: TransportAnswer) => void }[] = [];
  node.nonce = () => answerOf(200, { nonce: node.nextNonce() });
  node.bend = (answer) => {
    const { promise, resolve } = Promise.withResolvers<TransportAnswer>();
    both.push({ answer, give: resolve });
    const [one, other] = both;
    if (other !== undefined) {
      // Each caller gets the headers with its own signature, but the body for the other caller. An attacker on the path can do this.
      one!.give({ ...other.answer, headers: one!.answer.headers });
      other.give({ ...one!.answer, headers: other.answer.headers });
    }
    return promise;
  };
  const outcomes = await Promise.all([outcomeOf(client.put({ key: 'same', value: VALUE })), outcomeOf(client.put({ key: 'same', value: VALUE }))]);
  expect(outcomes).toEqual(['bad_answer', 'bad_answer']);
});

describe('when the client compares the bounds in an answer with the request,', () => {
  const nonce = PEER_NONCE;
  test.each<[string, object, ListingBounds | undefined, string]>([
    ['the same bounds as in the request are accepted', { prefix: 'a', after: 'ab', limit: 2 }, { prefix: 'a', after: 'ab', limit: 2 }, 'bound'],
    ['an answer without bounds is accepted if the request had none', {}, {}, 'bound'],
    ['null bounds are accepted if the request had none', { prefix: null, after: null, limit: null }, {}, 'bound'],
    ['empty bounds are accepted if the request had none', { prefix: '', after: '' }, {}, 'bound'],
    ['an answer without bounds is accepted if the bounds of the request were empty', {}, { prefix: '', after: '' }, 'bound'],
    ['a prefix that was added in transit is refused', { prefix: 'a' }, {}, 'foreign'],
    ['a limit that was added in transit is refused', { limit: 1 }, {}, 'foreign'],
    ['the bound `after` is refused if it was added in transit', { after: 'x' }, { prefix: 'a' }, 'foreign'],
    ['a missing prefix is refused if the request had a prefix', {}, { prefix: 'a' }, 'foreign'],
    ['a different prefix is refused', { prefix: 'b' }, { prefix: 'a' }, 'foreign'],
    ['a limit as a string is refused', { limit: '2' }, { limit: 2 }, 'foreign'],
    ['the bounds are ignored if the request is not a listing', { prefix: 'a' }, undefined, 'bound'],
  ])('%s', (_, said, listing, bond) => expect(bondOf({ nonce, ...said }, { nonce, listing })).toBe(bond));

  test.each<[string, unknown, string]>([
    ['without a nonce is not bound to the request', { prefix: 'other' }, 'unbound'],
    ['whose nonce belongs to another request is refused', { nonce: 'x' }, 'foreign'],
    ['whose nonce is null is refused', { nonce: null }, 'foreign'],
    ['that is a string is refused', 'text', 'foreign'],
    ['that is null is refused', null, 'foreign'],
  ])('an inner answer %s', (_, inner, bond) => expect(bondOf(inner, { nonce, listing: { prefix: 'a' } })).toBe(bond));

  test('a listing that repeats its nonce but not its bounds is refused', async () => {
    const { client, node } = await start(NEWER);
    node.bend = (_, received) => node.sealedAnswer(received, { prefix: undefined });
    expect(await outcomeOf(client.list({ prefix: 'r' }))).toBe('bad_answer');
  });
});

describe('a 404', () => {
  const PLAIN = answerOf(404, { code: 'not_found', message: 'there is no such key' });

  test.each<[string, Partial<Habits>]>([
    ['is accepted without a seal from an older node', {}],
    ['is accepted when a node has sealed it for the request', NEWER],
  ])('%s', async (_, habits) => {
    const { client } = await start(habits);
    expect(await client.get('absent')).toBeNull();
    expect(await client.delete({ key: 'absent' })).toMatchObject({ deleted: false });
  });

  test.each(['red', 'absent'])('that is not sealed is refused if the node has sealed an earlier 404 (key: %s)', async (key) => {
    const { client, node } = await start(NEWER);
    expect(await client.get('absent')).toBeNull();
    node.bend = () => PLAIN;
    expect(await outcomeOf(client.get(key))).toBe('bad_answer');
    expect(await outcomeOf(client.delete({ key }))).toBe('bad_answer');
  });

  test.each<[string, (node: NodeSide) => void]>([
    ['for another request', (node) => (node.bend = (_, received) => node.sealedAnswer(received, { nonce: Buffer.from('another').toString('base64') }))],
    ['without the nonce of its request', (node) => (node.bend = (_, received) => node.sealedAnswer(received, { nonce: undefined }))],
    ['with a different error code inside', (node) => (node.bend = (_, received) => node.sealedAnswer(received, { code: 'forbidden' }))],
    ['by a sender with the wrong key', (node) => (node.bend = (answer) => ({ ...answer, body: Buffer.from(Buffer.from(answer.body).toString().replace(/"sender_tee_pubkey":"../, '"sender_tee_pubkey":"00')) }))],
    ['but cannot be opened', (node) => (node.bend = (answer) => ({ ...answer, body: Buffer.from(Buffer.from(answer.body).toString().replace(/"nonce":"[0-9a-f]{24}"/, `"nonce":"${'0'.repeat(24)}"`)) }))],
  ])('that is sealed %s is refused', async (_, spoil) => {
    const { client, node } = await start(NEWER);
    spoil(node);
    expect(await outcomeOf(client.get('absent'))).toBe('bad_answer');
  });

  test('is refused if its envelope contains a successful answer', async () => {
    const { client, node } = await start(NEWER);
    node.bend = (answer) => ({ ...answer, status: 404 });
    expect(await outcomeOf(client.get('red'))).toBe('bad_answer');
  });
});

test('a node that restarted with a different key is treated as a new node', () => {
  const habits = new NodeHabits();
  const node = { wallet: `0x${'aa'.repeat(20)}` as Wallet, url: 'https://a.test', teePubkey: '01' as TeePubkey };
  habits.note(node, 'seals');
  habits.note(node, 'binds');
  expect([habits.has(node, 'seals'), habits.has({ ...node, url: 'https://b.test' }, 'binds')]).toEqual([true, true]);
  expect([habits.has({ ...node, teePubkey: '02' as TeePubkey }, 'seals'), habits.has({ ...node, wallet: `0x${'bb'.repeat(20)}` as Wallet }, 'seals')]).toEqual([false, false]);
});

describe('a node that is too old to know a field', () => {
  test('ignores the bounds of a listing, so the client applies them', async () => {
    const { client, node } = await start();
    for (const key of ['rust', 'b', 'rare']) node.values.set(key, '');
    expect(await client.list({ prefix: 'r' })).toMatchObject({ keys: ['rare', 'red', 'rust'], more: false });
    expect(await client.list({ prefix: 'r', limit: 2 })).toMatchObject({ keys: ['rare', 'red'], more: true });
    expect(await client.list({ prefix: 'r', after: 'red', limit: 2 })).toMatchObject({ keys: ['rust'], more: false });
  });

  test.each<[string, (client: KmsClient) => Promise<unknown>]>([
    ['a put', (client) => client.put({ key: 'k', value: VALUE, acks: 1 })],
    ['a delete', (client) => client.delete({ key: 'red', acks: 1 })],
  ])('does not wait for acknowledgements, so %s that requests one fails as not replicated', async (_, call) => {
    const { client } = await start();
    await expect(call(client)).rejects.toMatchObject({ code: 'refused', serverCode: 'not_replicated' });
  });
});

test('a put fails as not replicated if the answer reports fewer acknowledgements than requested', async () => {
  const { client, node } = await start(NEWER);
  node.bend = (_, received) => node.sealedAnswer(received, { acks: 1 });
  expect(await client.put({ key: 'k', value: VALUE, acks: 1 })).toMatchObject({ acks: 1 });
  await expect(client.put({ key: 'k', value: VALUE, acks: 2 })).rejects.toMatchObject({ code: 'refused', serverCode: 'not_replicated' });
});
