/** The client, tested with the real HTTP code of nodes (protocol.md §2, §3): sockets, gate, authentication, envelope, answers. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { createKmsClient, KmsClientError } from '../../../src/client/index.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import type { TransportAnswer, TransportRequest } from '../../../src/domain/ports.ts';
import { reason, REASONS } from '../../../src/domain/reasons.ts';
import { PeerTransport } from '../../../src/net/peer-transport.ts';
import { systemClock } from '../../../src/system/system.ts';
import { authorizedRecord, memberOf } from '../../support/members.ts';
import { READY, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The connection between the client and the nodes, which a test can change. */
interface Way {
  /** The paths of the requests, in order. */
  readonly requests: string[];
  rewrite: (request: TransportRequest) => TransportRequest;
  bend: (answer: TransportAnswer, request: TransportRequest) => TransportAnswer;
}

/** Two nodes with the same secret, and a registered app. */
async function start() {
  const registered = new Map<Wallet, TeePubkey>();
  const registry = { down: false };
  const lookup = async (wallet: Wallet) => {
    if (registry.down) throw new DependencyError('chain', 'unreachable', 'the RPC cannot be read');
    const record = authorizedRecord(100n, wallet, registered.get(wallet) ?? '');
    return registered.has(wallet) ? record : { instance: { ...record.instance, id: 0n }, app: null, version: null };
  };
  const nodes: NodeOverHttp[] = [];
  for (const digit of ['21', '22']) {
    const keys = { walletKey: digit.repeat(32), teeScalar: digit.repeat(48) };
    const node = await startNodeOverHttp({ nowMs: systemClock.nowMs(), ...keys, lookup });
    closers.push(() => node.close());
    nodes.push(node);
  }
  const members = nodes.map(({ identity, url }) => memberOf(identity.wallet, identity.teePubkey, url));
  const real = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
  closers.push(() => real.close());
  const way: Way = { requests: [], rewrite: (request) => request, bend: (answer) => answer };
  const transport = {
    request: async (request: TransportRequest) => {
      way.requests.push(new URL(request.url).pathname);
      return way.bend(await real.request(way.rewrite(request)), request);
    },
  };
  const client = createKmsClient(
    {
      registry: `0x${'0f'.repeat(20)}`,
      chain: { source: { readMembership: async () => ({ members }) } },
      identity: { privateKey: '31'.repeat(32) },
      inEnclave: false,
      // There are two nodes, so two attempts allow one for each node. After that the client gives up instead of waiting for a node to become ready.
      maxAttempts: 2,
    },
    { transport },
  );
  closers.push(() => client.close());
  const { wallet, teePubkey } = await client.identity();
  registered.set(wallet, teePubkey);
  return { client, nodes, registered, registry, wallet, way };
}

async function failureOf(call: Promise<unknown>): Promise<KmsClientError> {
  const error = await call.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KmsClientError);
  return error as KmsClientError;
}

describe('an app', () => {
  test('gets the same key from all nodes, and a different key for a different path', async () => {
    const { client, nodes } = await start();
    const keys = await Promise.all(nodes.map(({ url }) => client.derive({ path: 'sessions' }, { node: url })));
    expect(keys[0]!.key).toEqual(keys[1]!.key);
    expect(keys.map(({ node }) => node.url)).toEqual(nodes.map(({ url }) => url));
    expect((await client.derive({ path: 'other' })).key).not.toEqual(keys[0]!.key);
    expect((await client.derive({ path: 'sessions', length: 64 })).key).toHaveLength(64);
  });

  test('gets its answer from the second node while the first is not ready', async () => {
    const { client, nodes } = await start();
    nodes[0]!.state.view = { ...READY, state: 'syncing-secret', reason: reason(REASONS.secretSyncFailed) };
    for (let call = 0; call < 3; call += 1) expect((await client.derive({ path: 'p' })).node.url).toBe(nodes[1]!.url);
  });

  test('gets its answer from the second node when the first has stopped', async () => {
    const { client, nodes } = await start();
    await nodes[0]!.close();
    for (let call = 0; call < 3; call += 1) expect((await client.derive({ path: 'p' })).node.url).toBe(nodes[1]!.url);
  });

  test('cannot derive the key that encrypts its data (§9.14)', async () => {
    const { client } = await start();
    expect(await failureOf(client.derive({ path: 'data_key' }))).toMatchObject({ code: 'refused', status: 400, serverCode: 'bad_request' });
  });

  test('that is not registered is refused', async () => {
    const { client, registered } = await start();
    registered.clear();
    expect(await failureOf(client.derive({ path: 'p' }))).toMatchObject({ code: 'refused', status: 403, serverCode: 'forbidden' });
  });

  test('gets the error `unavailable`, not a refusal, when the nodes cannot read the chain', async () => {
    const { client, registry } = await start();
    registry.down = true;
    const error = await failureOf(client.derive({ path: 'p' }));
    expect(error.code).toBe('unavailable');
    expect(error.attempts.map(({ failure }) => failure)).toEqual(['unready', 'unready']);
  });
});

describe('with a real node,', () => {
  const value = new Uint8Array(Buffer.from('v'));

  test('an app requests a nonce once; after that, each request uses the nonce in the previous answer', async () => {
    const { client, nodes, way } = await start();
    const at = { node: nodes[0]!.url };
    await client.put({ key: 'k', value }, at);
    await client.get('k', at);
    await client.get('absent', at);
    await client.list({ prefix: 'k' }, at);
    await client.delete({ key: 'k' }, at);
    expect(way.requests.filter((path) => path === '/nonce')).toHaveLength(1);
    expect(way.requests).toHaveLength(6);
  });

  test('when a nonce is no longer valid, the client requests a fresh nonce and the call succeeds', async () => {
    const { client, nodes, way } = await start();
    const at = { node: nodes[0]!.url };
    await client.derive({ path: 'p' }, at);
    way.bend = (answer) => ({ ...answer, headers: { ...answer.headers, 'x-nova-next-nonce': Buffer.alloc(16, 7).toString('base64') } });
    await client.derive({ path: 'p' }, at);
    way.bend = (answer) => answer;
    expect((await client.derive({ path: 'p' }, at)).key).toHaveLength(32);
    expect(way.requests.filter((path) => path === '/nonce')).toHaveLength(2);
  });

  test('an unsealed 404 is not accepted from a node that seals its 404 answers', async () => {
    const { client, nodes, way } = await start();
    const at = { node: nodes[0]!.url };
    expect(await client.get('absent', at)).toBeNull();
    await client.put({ key: 'k', value }, at);
    way.bend = (answer, { method }) => (method === 'GET' ? { status: 404, headers: {}, body: Buffer.from('{"code":"not_found","message":"there is no such key"}') } : answer);
    expect(await failureOf(client.get('k', at))).toMatchObject({ code: 'bad_answer' });
  });

  test('the answer to a different request of the same caller is not accepted', async () => {
    const { client, nodes, way } = await start();
    const at = { node: nodes[0]!.url };
    const seen: TransportAnswer[] = [];
    way.bend = (answer, { method }) => {
      if (method === 'PUT') seen.push(answer);
      return method === 'PUT' && seen.length > 1 ? { ...answer, body: seen[0]!.body } : answer;
    };
    await client.put({ key: 'k', value }, at);
    expect(await failureOf(client.put({ key: 'k', value: new Uint8Array(2) }, at))).toMatchObject({ code: 'bad_answer' });
  });

  test('an answer to a listing is not accepted if a prefix was added to the request in transit', async () => {
    const { client, nodes, way } = await start();
    const at = { node: nodes[0]!.url };
    await client.put({ key: 'k', value }, at);
    await client.put({ key: 'other', value }, at);
    expect((await client.list({}, at)).keys).toEqual(['k', 'other']);
    way.rewrite = (request) => (request.url.endsWith('/kms/data') && request.method === 'GET' ? { ...request, url: `${request.url}?prefix=o` } : request);
    expect(await failureOf(client.list({}, at))).toMatchObject({ code: 'bad_answer' });
  });
});
