/**
 * The client's put, get, list and delete (protocol.md §2, §3, §10), tested with the real HTTP code of nodes. Values are bytes, not
 * base64, and a key never becomes part of a URL path.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { createKmsClient, KmsClientError, type KmsClient } from '../../../src/client/index.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import type { AppId, TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { TransportRequest } from '../../../src/domain/ports.ts';
import { PeerTransport } from '../../../src/net/peer-transport.ts';
import { systemClock } from '../../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { authorizedRecord, memberOf } from '../../support/members.ts';
import { startNodeOverHttp, type NodeOverHttp, type NodeOverHttpOptions } from '../../support/node-over-http.ts';

const PEER = `0x${'bb'.repeat(20)}` as Wallet;
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(count = 1, options: NodeOverHttpOptions = {}) {
  const registered = new Map<Wallet, TeePubkey>();
  const nodes: NodeOverHttp[] = [];
  for (let index = 0; index < count; index += 1) {
    const digits = String(21 + index);
    const node = await startNodeOverHttp({
      nowMs: systemClock.nowMs(),
      walletKey: digits.repeat(32),
      teeScalar: digits.repeat(48),
      lookup: async (wallet) => authorizedRecord(100n, wallet, registered.get(wallet) ?? ''),
      ...options,
    });
    closers.push(() => node.close());
    nodes.push(node);
  }
  const members = nodes.map(({ identity, url }) => memberOf(identity.wallet, identity.teePubkey, url));
  const real = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
  closers.push(() => real.close());
  const requests: TransportRequest[] = [];
  const transport = {
    request: (request: TransportRequest) => {
      if (!request.url.endsWith('/nonce')) requests.push(request);
      return real.request(request);
    },
  };
  const client = createKmsClient(
    {
      registry: `0x${'0f'.repeat(20)}`,
      chain: { source: { readMembership: async () => ({ members }) } },
      identity: { privateKey: '31'.repeat(32) },
      inEnclave: false,
    },
    { transport },
  );
  closers.push(() => client.close());
  const { wallet, teePubkey } = await client.identity();
  registered.set(wallet, teePubkey);
  const [node] = nodes as [NodeOverHttp];
  const { url, identity } = node;
  const answering = { wallet: identity.wallet, url, teePubkey: identity.teePubkey };
  return { client, node, nodes, requests, answering };
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

async function failureOf(call: Promise<unknown>): Promise<KmsClientError> {
  const error = await call.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KmsClientError);
  return error as KmsClientError;
}

/** Waits for a write that needs an acknowledgement, and lets a peer acknowledge it. */
async function acknowledge(node: NodeOverHttp, key: string): Promise<void> {
  await waitUntil({ what: 'a write that waits for acknowledgements', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 2 }, async () => (node.acknowledgements.size > 0 ? null : 'no write waits yet'));
  node.acknowledgements.note(PEER, { appId: '100', key, sequenceNumber: node.store.lastSequenceNumber });
}

describe('a value', () => {
  test('is written and read as bytes', async () => {
    const { client, node, answering } = await start();
    const value = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    expect(await client.put({ key: 'k', value })).toEqual({ updatedAtMs: node.clock.nowMs(), acks: undefined, node: answering });
    expect(await client.get('k')).toEqual({ value, updatedAtMs: node.clock.nowMs(), node: answering });
  });

  test.each([0, 1, 2, 3])('of %d bytes is read back unchanged and never as null', async (length) => {
    const { client } = await start();
    const value = new Uint8Array(length).fill(0xff);
    await client.put({ key: 'k', value });
    expect((await client.get('k'))!.value).toEqual(value);
  });

  test('of 1 MiB is accepted and returned by the client', async () => {
    const { client } = await start();
    const value = new Uint8Array(1_048_576).fill(7);
    await client.put({ key: 'k', value });
    expect(Buffer.from((await client.get('k'))!.value).equals(value)).toBe(true);
  });

  test('that is a part of a larger buffer is stored without the other bytes of that buffer', async () => {
    const { client } = await start();
    await client.put({ key: 'k', value: bytes('xx value xx').subarray(3, 8) });
    expect((await client.get('k'))!.value).toEqual(bytes('value'));
  });

  test('is null when its key is absent or its lifetime has ended', async () => {
    const { client, node } = await start();
    expect(await client.get('k')).toBeNull();
    await client.put({ key: 'k', value: bytes('v'), ttlMs: 1_000 });
    await node.clock.advance(1_001);
    expect(await client.get('k')).toBeNull();
  });

  test('is null only when a second node confirms that the key is absent', async () => {
    const { client, nodes } = await start(2);
    await client.put({ key: 'k', value: bytes('v') }, { node: nodes[1]!.url });
    for (let call = 0; call < 3; call += 1) expect((await client.get('k'))!.node.url).toBe(nodes[1]!.url);
    expect(await client.get('k', { node: nodes[0]!.url })).toBeNull();
    expect(await client.get('other')).toBeNull();
  });
});

describe('a delete', () => {
  test('reports whether the key was present', async () => {
    const { client, answering } = await start();
    await client.put({ key: 'k', value: bytes('v') });
    expect(await client.delete({ key: 'k' })).toEqual({ deleted: true, acks: undefined, node: answering });
    expect(await client.delete({ key: 'k' })).toEqual({ deleted: false, acks: undefined, node: null });
    expect(await client.get('k')).toBeNull();
  });

  test('also deletes a key that only the second node has', async () => {
    const { client, nodes } = await start(2);
    await client.put({ key: 'k', value: bytes('v') }, { node: nodes[1]!.url });
    expect(await client.delete({ key: 'k' })).toMatchObject({ deleted: true, node: { url: nodes[1]!.url } });
  });
});

describe('a list', () => {
  async function filled(): Promise<{ client: KmsClient; requests: readonly TransportRequest[] }> {
    const { client, node, requests } = await start();
    for (const key of ['a', 'a/1', 'a/2', 'b c', '😀&?']) node.store.put('100', key, Buffer.alloc(28), 0, node.clock.nowMs());
    return { client, requests };
  }

  test.each([
    [undefined, ['a', 'a/1', 'a/2', 'b c', '😀&?'], false],
    [{}, ['a', 'a/1', 'a/2', 'b c', '😀&?'], false],
    [{ prefix: 'a/' }, ['a/1', 'a/2'], false],
    [{ prefix: '😀&' }, ['😀&?'], false],
    [{ prefix: 'none' }, [], false],
    [{ limit: 2 }, ['a', 'a/1'], true],
    [{ limit: 5 }, ['a', 'a/1', 'a/2', 'b c', '😀&?'], false],
    [{ limit: 2, after: 'a/1' }, ['a/2', 'b c'], true],
    [{ after: 'b c' }, ['😀&?'], false],
    [{ after: '' }, ['a', 'a/1', 'a/2', 'b c', '😀&?'], false],
  ])('with %j returns the keys %j', async (arguments_, keys, more) => {
    const { client } = await filled();
    expect(await client.list(arguments_)).toMatchObject({ keys, more });
  });

  test('continues after the last key of each page until no keys are left', async () => {
    const { client } = await filled();
    const keys: string[] = [];
    for (let more = true, pages = 0; more && pages < 10; pages += 1) {
      const page = await client.list({ limit: 2, ...(keys.length === 0 ? {} : { after: keys.at(-1)! }) });
      keys.push(...page.keys);
      more = page.more;
    }
    expect(keys).toEqual(['a', 'a/1', 'a/2', 'b c', '😀&?']);
  });
});

describe('a key', () => {
  const KEYS = ['..', '.', 'a/../b', '../../status', 'a//b', '/', 'a%2Fb', '%', '%zz', 'a?b', 'a#b', 'a&key=b', 'a b', 'a+b', 'a\\b', '__proto__', '\u0000', '\r\n', 'é', 'e\u0301', '😀', '\ufffd', 'x'.repeat(1_024), '😀'.repeat(256)];

  test.each(KEYS.map((key) => [JSON.stringify(key).slice(0, 40), key]))('%s is sent to the node unchanged, and never in a URL path', async (_, key) => {
    const { client, node, requests } = await start();
    await client.put({ key, value: bytes('v') });
    expect(node.store.list('100', {}, node.clock.nowMs()).keys).toEqual([key]);
    expect((await client.get(key))!.value).toEqual(bytes('v'));
    expect((await client.list()).keys).toEqual([key]);
    expect((await client.delete({ key })).deleted).toBe(true);
    expect(new Set(requests.map(({ url }) => new URL(url).pathname))).toEqual(new Set(['/kms/data']));
    expect(requests.map(({ method }) => method)).toEqual(['PUT', 'GET', 'GET', 'DELETE']);
    expect(new URL(requests[1]!.url).searchParams.get('key')).toBe(key);
    for (const { url, body } of [requests[0]!, requests[3]!]) expect([new URL(url).search, body!.includes('encrypted_data')]).toEqual(['', true]);
  });
});

describe('a key that an older node has accepted, although it is too long for this client to write,', () => {
  const LONG = 'k'.repeat(2_000);
  const LONGEST = '\u0001'.repeat(65_536);

  test('can be deleted, and can be read if it fits into the head of a request', async () => {
    const { client, node } = await start();
    for (const key of [LONG, LONGEST]) node.store.put('100', key, Buffer.from(node.vault.sealValue(100 as AppId, bytes('v'))), 0, node.clock.nowMs());
    expect((await client.get(LONG))!.value).toEqual(bytes('v'));
    for (const key of [LONG, LONGEST]) expect(await client.delete({ key })).toMatchObject({ deleted: true });
    expect(node.store.list('100', {}, node.clock.nowMs()).keys).toEqual([]);
  });
});

describe('acknowledgements (acks):', () => {
  test('a put and a delete report how many peers acknowledged the write', async () => {
    const { client, node } = await start();
    const put = client.put({ key: 'k', value: bytes('v'), acks: 1 });
    await acknowledge(node, 'k');
    expect((await put).acks).toBe(1);
    const deleted = client.delete({ key: 'k', acks: 1 });
    await acknowledge(node, 'k');
    expect(await deleted).toMatchObject({ deleted: true, acks: 1 });
  });

  test('when a write is not replicated in time, the call fails with 504, the write stays in the store of the node that accepted it, and no other node is asked', async () => {
    const { client, nodes } = await start(2);
    const put = failureOf(client.put({ key: 'k', value: bytes('v'), acks: 1, ackTimeoutMs: 2_000 }));
    const waiting = () => nodes.filter(({ acknowledgements }) => acknowledgements.size > 0);
    await waitUntil({ what: 'a write that waits for acknowledgements', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 2 }, async () => (waiting().length > 0 ? null : 'no write waits yet'));
    const [asked] = waiting() as [NodeOverHttp];
    await asked.clock.advance(2_000);
    expect(await put).toMatchObject({ code: 'refused', status: 504, serverCode: 'not_replicated' });
    expect(nodes.map(({ store }) => store.lastSequenceNumber > 0).sort()).toEqual([false, true]);
    expect((await client.get('k', { node: asked.url }))!.value).toEqual(bytes('v'));
  });
});

describe('a refusal', () => {
  test('of a value that is too large contains the status and the code that the node sent', async () => {
    const { client } = await start(1, { maxValueBytes: 10 });
    expect(await failureOf(client.put({ key: 'k', value: new Uint8Array(11) }))).toMatchObject({ code: 'refused', status: 413, serverCode: 'payload_too_large' });
  });

  test('because of the quota contains the status and the code that the node sent, and no other node is asked', async () => {
    const { client, requests } = await start(2, { maxAppBytes: 100 });
    expect(await failureOf(client.put({ key: 'k', value: new Uint8Array(200) }))).toMatchObject({ code: 'refused', status: 507, serverCode: 'insufficient_storage' });
    expect(requests).toHaveLength(1);
  });
});

describe('calls with invalid arguments', () => {
  const value = bytes('v');
  const INVALID: readonly (readonly [string, (client: KmsClient) => Promise<unknown>])[] = [
    ['an empty key', (client) => client.put({ key: '', value })],
    ['a key of 1,025 bytes', (client) => client.put({ key: 'x'.repeat(1_025), value })],
    ['a key of 1,028 bytes in 257 characters', (client) => client.put({ key: '😀'.repeat(257), value })],
    ['a key that is not valid UTF-8', (client) => client.put({ key: 'a\ud800', value })],
    ['a key that is not a string', (client) => client.put({ key: 7 as never, value })],
    ['a value that is a string', (client) => client.put({ key: 'k', value: 'text' as never })],
    ['a value that is a Uint16Array', (client) => client.put({ key: 'k', value: new Uint16Array([256]) as never })],
    ['a value that is a DataView', (client) => client.put({ key: 'k', value: new DataView(new ArrayBuffer(8)) as never })],
    ['a missing value', (client) => client.put({ key: 'k', value: undefined as never })],
    ['a negative lifetime', (client) => client.put({ key: 'k', value, ttlMs: -1 })],
    ['a lifetime of half a millisecond', (client) => client.put({ key: 'k', value, ttlMs: 0.5 })],
    ['a lifetime above 2^53', (client) => client.put({ key: 'k', value, ttlMs: 2 ** 53 })],
    ['negative acks', (client) => client.put({ key: 'k', value, acks: -1 })],
    ['acks with a fraction', (client) => client.put({ key: 'k', value, acks: 0.5 })],
    ['too many acks', (client) => client.put({ key: 'k', value, acks: 1_025 })],
    ['zero milliseconds to wait for acks', (client) => client.put({ key: 'k', value, acks: 1, ackTimeoutMs: 0 })],
    ['too many milliseconds to wait for acks', (client) => client.delete({ key: 'k', acks: 1, ackTimeoutMs: 60_001 })],
    ['an empty key to get', (client) => client.get('')],
    ['a key to get that is too long for a request head', (client) => client.get('k'.repeat(12_289))],
    ['a key of 65,537 bytes to delete', (client) => client.delete({ key: 'x'.repeat(65_537) })],
    ['a key to get that is not valid UTF-8', (client) => client.get('\udc00')],
    ['an empty key to delete', (client) => client.delete({ key: '' })],
    ['NaN as the acks of a delete', (client) => client.delete({ key: 'k', acks: NaN })],
    ['a limit of 0', (client) => client.list({ limit: 0 })],
    ['a limit with a fraction', (client) => client.list({ limit: 0.5 })],
    ['a `prefix` that is not valid UTF-8', (client) => client.list({ prefix: '\ud800' })],
    ['an `after` that is not valid UTF-8', (client) => client.list({ after: 'a\udc00' })],
    ['a `prefix` that is not a string', (client) => client.list({ prefix: 7 as never })],
  ];

  test.each(INVALID)('fail without a request to a node: %s', async (_, call) => {
    const { client, node, requests } = await start();
    const { used } = node.nonces;
    expect((await failureOf(call(client))).code).toBe('invalid_argument');
    expect([requests, node.nonces.used, node.store.lastSequenceNumber]).toEqual([[], used, 0]);
  });
});
