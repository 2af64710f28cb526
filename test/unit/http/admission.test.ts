/** The limits on simultaneous requests (protocol.md §10, Bounds), on real sockets: 32 per app; 8 per peer, at most 2 of them for snapshots. */
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { waitUntil } from '../../../src/dev/waiting.ts';
import type { Enclave } from '../../../src/domain/ports.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { authorizedRecord, memberOf, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { ProvenCaller } from '../../support/proven-caller.ts';

const [app, otherApp, peer, otherPeer] = ['app', 'other app', 'peer', 'other peer'].map((name) => new ProvenCaller(name)) as [ProvenCaller, ProvenCaller, ProvenCaller, ProvenCaller];

let node: NodeOverHttp;
/** The answers that one test holds back. Each test has its own object, so that unfinished work from an earlier test cannot change it. */
interface Hold {
  /** Each function releases one answer that waits to be sealed. */
  readonly held: (() => void)[];
  isOn: boolean;
  /** Number of envelopes that the enclave has opened. */
  opened: number;
}

let hold: Hold;
const sent: ClientRequest[] = [];

/** An enclave that carries out requests, but seals an answer only when the test releases it. */
function holding(real: Enclave, own: Hold): Enclave {
  return {
    ...real,
    decrypt: async (envelope) => {
      const text = await real.decrypt(envelope);
      own.opened += 1;
      return text;
    },
    encrypt: async (plaintext, receiver) => {
      if (own.isOn) await new Promise<void>((resolve) => own.held.push(resolve));
      return real.encrypt(plaintext, receiver);
    },
  };
}

beforeEach(async () => {
  const own: Hold = { held: [], isOn: true, opened: 0 };
  hold = own;
  const keys = new Map([app, otherApp].map(({ wallet, teePubkey }) => [wallet, teePubkey]));
  node = await startNodeOverHttp({
    members: [peer, otherPeer].map(({ wallet, teePubkey }) => memberOf(wallet, teePubkey)),
    lookup: async (wallet) => authorizedRecord(100n, wallet, keys.get(wallet)!),
    enclave: (real) => holding(real, own),
  });
});

afterEach(async () => {
  for (const request of sent.splice(0)) request.destroy();
  letAllGo();
  await node.close();
});

const until = (what: string, reached: () => boolean): Promise<void> =>
  waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (reached() ? null : 'not yet'));

function letAllGo(): void {
  hold.isOn = false;
  for (const goOn of hold.held.splice(0)) goOn();
}

/** Sends a request. `answered` is the status of the answer, followed by its Retry-After if it has one. */
function send(method: string, path: string, headers: Record<string, string>, body?: string) {
  const request = httpRequest(`${node.url}${path}`, { method, headers, agent: false });
  sent.push(request);
  request.on('error', () => undefined);
  const answered = once(request, 'response').then(([response]: IncomingMessage[]) => {
    response!.resume();
    return [response!.statusCode, response!.headers['retry-after'] ?? null].filter((part) => part !== null).join(' ');
  });
  answered.catch(() => undefined);
  request.end(body);
  return { request, answered };
}

const list = async (caller: ProvenCaller) => send('GET', '/kms/data', await caller.proof(node, 'x-app'));

async function sync(caller: ProvenCaller, inner: object) {
  const { headers, body } = await caller.request(node, 'x-kms', inner);
  return send('POST', '/sync', headers, body);
}

async function times<T>(count: number, ask: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, ask));
}

/** Waits until this number of proofs has been checked. Each check uses up a nonce, even if the request has to wait afterwards. */
const looksAt = (proofs: number) => until(`${proofs} proofs`, () => node.nonces.used === proofs);

describe('requests from an app', () => {
  test('are carried out 32 at a time: all others wait and are answered later', async () => {
    const first = await times(40, () => list(app));
    await looksAt(40);
    await until('the answers being sealed', () => hold.held.length === 32);
    // Another caller does not have to wait.
    await list(otherApp);
    await until('the answer to another caller', () => hold.held.length === 33);
    letAllGo();
    expect(await Promise.all(first.map(({ answered }) => answered))).toEqual(first.map(() => '200'));
  });

  test('that have waited 5 s are refused with 429, and the other requests continue', async () => {
    const first = await times(33, () => list(app));
    await looksAt(33);
    await until('the answers being sealed', () => hold.held.length === 32);
    await node.clock.advance(5_000);
    expect(await Promise.race(first.map(({ answered }) => answered))).toBe('429 1');
    letAllGo();
    expect((await Promise.all(first.map(({ answered }) => answered))).filter((answer) => answer === '200')).toHaveLength(32);
  });

  test('leave the queue if their caller hangs up while they wait', async () => {
    await times(32, () => list(app));
    await until('the answers being sealed', () => hold.held.length === 32);
    const gone = await list(app);
    await looksAt(33);
    gone.request.destroy();
    const waiting = await list(app);
    await looksAt(34);
    hold.held.shift()!();
    await until('the answer to the waiting request', () => hold.held.length === 32);
    letAllGo();
    expect(await waiting.answered).toBe('200');
  });

  test('keep their places until the work has ended, even if their caller hangs up while they are carried out', async () => {
    const first = await times(32, () => list(app));
    await until('the answers being sealed', () => hold.held.length === 32);
    for (const { request } of first) request.destroy();
    const next = await list(app);
    await looksAt(33);
    await node.clock.advance(5_000);
    expect(await next.answered).toBe('429 1');
    letAllGo();
    await until('a place', () => hold.held.length === 0);
    expect(await (await list(app)).answered).toBe('200');
  });

  test('that claim the wallet of another app, without its proof, do not use the places of that app', async () => {
    await times(31, () => list(app));
    await until('the answers being sealed', () => hold.held.length === 31);
    const forged = { ...(await otherApp.proof(node, 'x-app')), 'x-app-wallet': app.wallet };
    expect(await send('GET', '/kms/data', forged).answered).toBe('403');
    await list(app);
    await until('the answer being sealed', () => hold.held.length === 32);
  });
});

describe('requests from a peer', () => {
  test('are carried out 8 at a time', async () => {
    await times(9, () => sync(peer, { type: 'digest_request' }));
    await looksAt(9);
    await until('the answers being sealed', () => hold.held.length === 8);
    await sync(otherPeer, { type: 'digest_request' });
    await until('the answer to another peer', () => hold.held.length === 9);
  });

  test('for a snapshot are carried out 2 at a time, and other requests do not wait for them', async () => {
    const first = await times(3, () => sync(peer, { type: 'snapshot_request' }));
    await until('the answers being sealed', () => hold.held.length === 2);
    const digests = await sync(peer, { type: 'digest_request' });
    let early = 'no answer';
    digests.answered.then((text) => (early = text), () => undefined);
    await waitUntil({ what: 'the digests being sealed', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (hold.held.length === 3 ? null : `${hold.held.length} answers are being sealed, and the answer to the digest request is: ${early}`));
    const refused = Promise.race(first.map(({ answered }) => answered));
    let answer = '';
    void refused.then((text) => (answer = text));
    // The third request begins to wait only after its envelope has been opened.
    await waitUntil({ what: 'the refusal of the third request', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => {
      await node.clock.advance(5_000);
      return answer === '' ? 'it still waits' : null;
    });
    expect(answer).toBe('429 1');
  });

  test('for a snapshot are refused if the peer stops being a member while they wait', async () => {
    const asked = [await sync(peer, { type: 'snapshot_request' }), await sync(peer, { type: 'snapshot_request' })];
    await until('the answers being sealed', () => hold.held.length === 2);
    const waiting = await sync(peer, { type: 'snapshot_request' });
    await until('the third envelope', () => hold.opened === 3);
    node.peerCache.update({ block: 2n, members: [], dropped: [] });
    letAllGo();
    expect(await Promise.all([...asked, waiting].map(({ answered }) => answered))).toEqual(['200', '200', '403']);
  });
});

describe('requests whose caller hangs up while the registry is read', () => {
  test('are not carried out and take no places, so the next request does not have to wait', async () => {
    await node.close();
    const registry = Promise.withResolvers<undefined>();
    let [lookups, closes] = [0, 0];
    node = await startNodeOverHttp({
      lookup: async (wallet) => {
        lookups += 1;
        await registry.promise;
        return authorizedRecord(100n, wallet, app.teePubkey);
      },
      enclave: (real) => holding(real, hold),
      listener: (real) => (request, response) => {
        response.once('close', () => (closes += 1));
        real(request, response);
      },
    });
    await times(16, () => list(app));
    await times(16, async () => {
      const { headers, body } = await app.request(node, 'x-app', { key: 'k', value: '' });
      return send('PUT', '/kms/data', headers, body);
    });
    await until('the lookups', () => lookups === 32);
    for (const request of sent) request.destroy();
    await until('the closed connections', () => closes === 32);
    registry.resolve(undefined);
    const next = await list(app);
    await until('an answer being sealed', () => hold.held.length > 0);
    expect(hold.held).toHaveLength(1);
    letAllGo();
    expect(await next.answered).toBe('200');
    expect(node.state.written).toBe(0);
  });
});

test('two peers can get snapshot pages of the maximum size at the same time', async () => {
  for (let nth = 0; nth < 10; nth += 1) node.store.put('100', `key ${nth}`, new Uint8Array(900_000), 0, node.clock.nowMs());
  const first = [await sync(peer, { type: 'snapshot_request' }), await sync(otherPeer, { type: 'snapshot_request' })];
  await until('the pages being sealed', () => hold.held.length === 2);
  letAllGo();
  expect(await Promise.all(first.map(({ answered }) => answered))).toEqual(['200', '200']);
});

test('each waiting request reserves as many bytes as its headers may have', async () => {
  await node.close();
  const half = 1024 * 1024;
  node = await startNodeOverHttp({ lookup: async (wallet) => authorizedRecord(100n, wallet, app.teePubkey), enclave: (real) => holding(real, hold), http: { maxInflightBytes: 2 * half } });
  await times(32, () => list(app));
  await until('the answers being sealed', () => hold.held.length === 32);
  const waiting = await times(20, () => list(app));
  // The app may reserve a quarter of `half`: 256 KiB, which is enough for the headers of 16 requests. Its 32 answers already use some of
  // these bytes, so fewer than 16 requests can wait.
  expect(await Promise.race(waiting.map(({ answered }) => answered))).toBe('503 1');
  await looksAt(52);
});

test.each([
  { size: '56,610 bytes', status: 'status 200', character: 'k', answer: '200' },
  { size: '169,830 bytes', status: 'status 503', character: '€', answer: '503 1' },
])('a listing is counted in bytes: keys of 56,610 characters and $size get $status', async ({ character, answer }) => {
  await node.close();
  // The app may use 256 KiB, and an answer counts twice, so its listing may have 128 KiB.
  node = await startNodeOverHttp({ lookup: async (wallet) => authorizedRecord(100n, wallet, app.teePubkey), enclave: (real) => holding(real, hold), http: { maxInflightBytes: 2 * 1024 * 1024 } });
  // A stored value has at least 28 bytes: a nonce and a tag.
  for (let nth = 0; nth < 170; nth += 1) node.store.put('100', `${nth} ${character.repeat(333)}`, new Uint8Array(28), 0, node.clock.nowMs());
  // A request that is the only one under way may have an answer of any size, so the test keeps a second request under way.
  send('GET', '/kms/data?limit=1', await otherApp.proof(node, 'x-app'));
  await until('the first answer being sealed', () => hold.held.length === 1);
  hold.isOn = false;
  expect(await (await list(app)).answered).toBe(answer);
});
