/** An answer can carry a nonce for the next request (protocol.md §10, Next nonce for apps), so that the client need not request one. */
import { describe, expect, test } from '@jest/globals';
import { createKmsClient, type KmsClientError } from '../../../src/client/index.ts';
import { SpareNonces } from '../../../src/client/spare-nonces.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { NodeSide, transportToNodes } from '../../support/node-side.ts';
import { answerOf, PEER_NONCE } from '../../support/peer-side.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

function start(names: readonly string[] = ['a']) {
  const clock = new ManualClock();
  const nodes = names.map((name) => new NodeSide(name));
  for (const { habits } of nodes) habits.givesNonces = true;
  const members = nodes.map(({ member }) => member);
  const client = createKmsClient(
    { registry: `0x${'0f'.repeat(20)}`, chain: { source: { readMembership: async () => ({ members }) } }, identity: { privateKey: '11'.repeat(32) }, maxAttempts: 2 },
    { clock, random: new SeededRandom('client'), transport: transportToNodes(nodes) },
  );
  const asked = (node: NodeSide): number => node.requests.filter(({ url }) => url.endsWith('/nonce')).length;
  const used = (node: NodeSide): readonly unknown[] => node.received.map(({ request }) => request.headers!['x-app-nonce']);
  return { client, clock, nodes, node: nodes[0]!, asked, used };
}

const NEXT = [1, 2, 3, 4].map((nth) => Buffer.from(`next nonce ${nth}`).toString('base64'));

describe('a client', () => {
  test('requests a nonce only before its first request to a node, and then uses the nonce in the previous answer', async () => {
    const { client, node, asked, used } = start();
    for (let call = 0; call < 4; call += 1) await client.derive({ path: 'p' });
    expect([asked(node), used(node)]).toEqual([1, [PEER_NONCE, NEXT[0], NEXT[1], NEXT[2]]]);
  });

  test('uses each nonce only once, even when requests are simultaneous', async () => {
    const { client, node, asked, used } = start();
    let fetched = 0;
    node.nonce = () => answerOf(200, { nonce: Buffer.from(`fetched nonce ${(fetched += 1)}`).toString('base64') });
    for (let round = 0; round < 3; round += 1) await Promise.all(Array.from({ length: 4 }, () => client.derive({ path: 'p' })));
    expect([asked(node), new Set(used(node)).size]).toEqual([4, 12]);
  });

  test('sends a nonce only to the node that issued it', async () => {
    const { client, nodes, asked } = start(['a', 'b']);
    for (let call = 0; call < 6; call += 1) await client.derive({ path: 'p' });
    expect(nodes.map(asked)).toEqual([1, 1]);
  });

  test('requests a nonce before every request to an older node, whose answers carry no nonce', async () => {
    const { client, node, asked } = start();
    node.habits.givesNonces = false;
    for (let call = 0; call < 3; call += 1) await client.derive({ path: 'p' });
    expect(asked(node)).toBe(3);
  });

  test('requests a fresh nonce from the same node when that node refuses the nonce from its previous answer as unknown', async () => {
    const { client, nodes, asked, used } = start(['a', 'b']);
    const [a, b] = nodes as [NodeSide, NodeSide];
    await client.derive({ path: 'p' }, { node: a.member.url });
    a.bend = (answer, { request }) => (request.headers!['x-app-nonce'] === PEER_NONCE ? answer : answerOf(403, { code: 'unauthorized', message: 'the nonce is not known here' }));
    expect((await client.derive({ path: 'p' }, { node: a.member.url })).node.url).toBe(a.member.url);
    expect([asked(a), used(a), asked(b)]).toEqual([2, [PEER_NONCE, NEXT[0], PEER_NONCE], 0]);
  });

  test('drops all nonces from a node when that node refuses one as unknown, because the node has restarted', async () => {
    const { client, node, used } = start();
    await Promise.all(Array.from({ length: 4 }, () => client.derive({ path: 'p' })));
    const before = used(node).length;
    node.bend = (answer, { request }) => (request.headers!['x-app-nonce'] === PEER_NONCE ? answer : answerOf(403, { code: 'unauthorized', message: 'the nonce is not known here' }));
    node.habits.givesNonces = false;
    for (let call = 0; call < 4; call += 1) await client.derive({ path: 'p' });
    expect(used(node).slice(before).filter((nonce) => nonce !== PEER_NONCE)).toHaveLength(1);
  });

  test('does not repeat a request that was refused although its nonce was fresh', async () => {
    const { client, node, asked } = start();
    node.bend = () => answerOf(403, { code: 'unauthorized', message: 'the timestamp is too old' });
    const error = (await client.derive({ path: 'p' }).catch((thrown: unknown) => thrown)) as KmsClientError;
    expect([error.code, error.serverCode, asked(node)]).toEqual(['refused', 'unauthorized', 1]);
  });

  test.each(['', 'not base64!', 'A'.repeat(68)])('ignores a next nonce that does not have the form of a nonce: %j', async (given) => {
    const { client, node, asked, used } = start();
    node.bend = (answer) => ({ ...answer, headers: { ...answer.headers, 'x-nova-next-nonce': given } });
    for (let call = 0; call < 2; call += 1) await client.derive({ path: 'p' });
    expect([asked(node), used(node)]).toEqual([2, [PEER_NONCE, PEER_NONCE]]);
  });
});

describe('unused nonces from earlier answers', () => {
  const A = `0x${'aa'.repeat(20)}` as Wallet;
  const B = `0x${'bb'.repeat(20)}` as Wallet;

  test('are used once each, newest first, and only for the node that issued them', () => {
    const spare = new SpareNonces({ clock: new ManualClock() });
    for (const nonce of ['1', '2']) spare.keep(A, nonce);
    expect([spare.take(B), spare.take(A), spare.take(A), spare.take(A)]).toEqual([null, '2', '1', null]);
  });

  test('are dropped when they are a minute old', async () => {
    const clock = new ManualClock();
    const spare = new SpareNonces({ clock });
    spare.keep(A, 'old');
    await clock.advance(59_999);
    spare.keep(A, 'young');
    await clock.advance(1);
    expect([spare.take(A), spare.take(A)]).toEqual(['young', null]);
  });

  test('are limited to 64 per node: the oldest is dropped when one more arrives', () => {
    const spare = new SpareNonces({ clock: new ManualClock() });
    for (let nth = 1; nth <= 65; nth += 1) spare.keep(A, String(nth));
    const taken = Array.from({ length: 65 }, () => spare.take(A));
    expect([taken[0], taken[63], taken[64]]).toEqual(['65', '2', null]);
  });
});
