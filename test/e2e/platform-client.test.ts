/**
 * Runs the platform's client against nodes in the same environment as on the platform: strict mode, TLS, an egress proxy, the default
 * limits, and enclave emulators that are as strict as the platform's enclaves (protocol.md §7, §8, §10). `support/platform-client.ts`
 * describes the client.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LocalIdentity } from '../../src/client/local-identity.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { systemRandom } from '../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { startEnclaveCluster, type EnclaveCluster } from './support/enclave-cluster.ts';
import { ABSENT_WORDS, PlatformClient, UNREACHABLE_WORDS, type Operation, type Result } from './support/platform-client.ts';
import { waitForStates } from './support/quick-blocks.ts';

const APP_ID = 1_001;
const MIB = 1_048_576;
const TRIES = 3;
/** How long the client keeps an idle connection open. Seconds. */
const CLIENT_IDLE_SECONDS = 90;

let world: EnclaveCluster;
let ready: readonly ClusterNode[];
/** A running node that is not a member, so it answers 503. */
let unready: ClusterNode;
let client: PlatformClient;
/** The client of an app that is not registered. */
let stranger: PlatformClient;
/** Error answers of ready nodes to requests under /kms. */
const refusals: { readonly status: number | undefined; readonly text: string }[] = [];

beforeAll(async () => {
  const [app, other] = [newIdentity(), newIdentity()];
  world = await startEnclaveCluster({
    nodes: 4,
    tickSeconds: 2,
    keepLines: 5_000,
    plans: [{}, {}, {}, { register: false }],
    prepare: async ({ chain }) => {
      await chain.createApp(APP_ID);
      await chain.register({ appId: APP_ID, wallet: await app.address(), teePubkey: await app.publicKey(), url: 'https://app.test' });
    },
  });
  const { cluster, proxy, certificate } = world;
  ready = cluster.nodes.slice(0, 3);
  unready = cluster.node(4);
  await waitForStates(cluster, ready, 'ready');
  const seen = { urls: cluster.nodes.map(({ url }) => url), proxyUrl: proxy.url, authority: certificate.cert };
  client = new PlatformClient(seen, { identity: app });
  stranger = new PlatformClient(seen, { identity: other });
  expect([await client.probe(), await stranger.probe()]).toEqual([4, 4]);
});

afterAll(async () => {
  await Promise.all([client.close(), stranger.close()]);
  await world.close();
});

function newIdentity(): LocalIdentity {
  return new LocalIdentity({ privateKey: randomBytes(32) }, { random: systemRandom });
}

/** Runs an operation, and records the refusals of ready nodes. The last test checks these refusals. */
async function call(operation: Operation, at?: ClusterNode, by = client): Promise<Result> {
  const result = await by.call(operation, at?.url);
  const urls = new Set(ready.map(({ url }) => url));
  for (const { url, status, text, end } of result.attempts) if (end !== 'answered' && urls.has(url)) refusals.push({ status, text });
  return result;
}

async function valueAt(node: ClusterNode, key: string): Promise<string | null> {
  const { answer, absent } = await call({ do: 'get', key }, node);
  if (answer === null && !absent) throw new Error(`${node.name} neither returned ${key} nor answered that it is absent`);
  return answer === null ? null : Buffer.from(answer['value'] as string, 'base64').toString();
}

async function untilValue(node: ClusterNode, key: string, value: string | null): Promise<void> {
  await waitUntil({ what: `${key} on ${node.name}`, timeoutMs: WAIT_TIMEOUT_MS }, async () => {
    const seen = await valueAt(node, key);
    return seen === value ? null : String(seen);
  });
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const endsOf = ({ attempts }: Result) => attempts.map(({ end, status }) => `${end} ${status}`);

describe('a key', () => {
  test.each<[string, Operation]>([
    ['for a path', { do: 'derive', path: 'sessions' }],
    ['for the path of a file', { do: 'derive', path: 's3/1/reports/2026 11.pdf' }],
    ['with a context', { do: 'derive', path: 'disk', context: 'volume-1' }],
    ['of 64 bytes', { do: 'derive', path: 'disk', length: 64 }],
  ])('%s is derived by every node at the first attempt, and is the same on all nodes', async (_, operation) => {
    const results = await Promise.all(ready.map((node) => call(operation, node)));
    expect(results.map(endsOf)).toEqual(ready.map(() => ['answered 200']));
    expect(new Set(results.map(({ answer }) => answer!['key'])).size).toBe(1);
  });
});

describe('600 calls (a third of them for absent keys) that are made while every node is probed 200 times', () => {
  const [CALLS, PROBES, AT_ONCE] = [600, 200, 6];
  const numbers = Array.from({ length: CALLS }, (_, nth) => nth);

  test('are never refused because of a limit', async () => {
    await call({ do: 'put', key: 'there', value: bytes('v') }, ready[0]);
    for (const node of ready) await untilValue(node, 'there', 'v');
    const results: Result[] = [];
    const caller = async (): Promise<void> => {
      for (let nth = numbers.pop(); nth !== undefined; nth = numbers.pop()) {
        const operations: readonly Operation[] = [{ do: 'get', key: `nowhere/${nth}` }, { do: 'get', key: 'there' }, { do: 'derive', path: `path ${nth}` }];
        results.push(await call(operations[nth % 3]!));
      }
    };
    const probed: number[] = [];
    const probes = async (): Promise<void> => {
      for (let nth = 0; nth < PROBES; nth += 1) probed.push(await client.probe());
    };
    await Promise.all([probes(), ...Array.from({ length: AT_ONCE }, caller)]);
    expect(probed.filter((found) => found !== 4)).toEqual([]);
    const readyUrls = ready.map(({ url }) => url);
    const atReady = results.flatMap(({ attempts }) => attempts.filter(({ url }) => readyUrls.includes(url)));
    expect(atReady.filter(({ end }) => end !== 'answered' && end !== 'absent')).toEqual([]);
    // The client asks every node three times for each absent key.
    expect(atReady.filter(({ end }) => end === 'absent')).toHaveLength((CALLS / 3) * TRIES * ready.length);
    expect(atReady.filter(({ end }) => end === 'answered')).toHaveLength((CALLS / 3) * 2);
  });
});

const KEYS = [
  'settings',
  'wallet/eth/app/main/private_key',
  'wallet/eth/app/main/address',
  'two words',
  ' space at both ends ',
  'a+b',
  'a b+c d',
  '%2B',
  '100%',
  'a&b=c?d#e',
  'ü/ñ/😀',
  "~!*'()",
  'a//b',
];

describe('values:', () => {
  test.each(KEYS)('a value under the key %j is written, read on every node, and deleted', async (key) => {
    const value = `value of ${key}`;
    expect(endsOf(await call({ do: 'put', key, value: bytes(value) }, ready[0]))).toEqual(['answered 200']);
    for (const node of ready) await untilValue(node, key, value);
    expect((await call({ do: 'delete', key }, ready[1])).answer).toMatchObject({ key, deleted: true });
    for (const node of ready) await untilValue(node, key, null);
  });

  test('a key with a space and the same key with a plus instead are different keys', async () => {
    for (const key of ['one key', 'one+key']) await call({ do: 'put', key, value: bytes(key) }, ready[0]);
    for (const key of ['one key', 'one+key']) expect(await valueAt(ready[0]!, key)).toBe(key);
  });

  test('a value with the largest 64-bit TTL is stored, and can be read on every node', async () => {
    const key = 'for ever';
    expect(endsOf(await call({ do: 'put', key, value: bytes(key), ttlMs: 2n ** 64n - 1n }, ready[0]))).toEqual(['answered 200']);
    for (const node of ready) await untilValue(node, key, key);
  });

  test('an empty value is stored and read as empty', async () => {
    await call({ do: 'put', key: 'empty', value: bytes('') }, ready[0]);
    expect(await valueAt(ready[0]!, 'empty')).toBe('');
  });

  test('the list of keys contains a written key', async () => {
    await call({ do: 'put', key: 'listed', value: bytes('v') }, ready[0]);
    expect((await call({ do: 'list' }, ready[0])).answer!['keys']).toContain('listed');
  });
});

describe('an absent key', () => {
  test('is requested three times from each node, and every member answers 404', async () => {
    const { absent, attempts } = await call({ do: 'get', key: 'nowhere' });
    const members = attempts.filter(({ url }) => url !== unready.url);
    expect(members.map(({ end, status }) => [end, status])).toEqual(Array.from({ length: TRIES * ready.length }, () => ['absent', 404]));
    // The client reports a key as absent only if every node answers 404. Here, the node that is not a member answers 503.
    expect(absent).toBe(false);
  });

  test('can be requested again and again without reaching a limit, even though all enclaves share one address', async () => {
    for (let nth = 0; nth < 20; nth += 1) {
      for (const node of ready) expect((await call({ do: 'get', key: `nowhere ${nth}` }, node)).absent).toBe(true);
    }
  });

  test('is reported as absent when an app deletes it', async () => {
    expect((await call({ do: 'delete', key: 'nowhere' }, ready[0])).absent).toBe(true);
  });
});

test('every node answers 60 requests for /status in a row', async () => {
  for (let round = 0; round < 60; round += 1) expect(await client.probe()).toBe(4);
});

test('a key that was deleted on one node is soon absent on a second node', async () => {
  const keys = Array.from({ length: 25 }, (_, nth) => `deleted ${nth}`);
  let stale = 0;
  for (const key of keys) {
    await call({ do: 'put', key, value: bytes(key) }, ready[0]);
    await untilValue(ready[1]!, key, key);
    await call({ do: 'delete', key }, ready[0]);
    if ((await valueAt(ready[1]!, key)) !== null) stale += 1;
    await untilValue(ready[1]!, key, null);
  }
  console.log(`${stale} of ${keys.length} reads right after a delete on another node still returned the value`);
});

describe('a node that is not ready', () => {
  test('is skipped, and the client asks the next node', async () => {
    const { answer, attempts } = await call({ do: 'derive', path: 'sessions' }, unready);
    expect(answer).toBeNull();
    expect(attempts.map(({ end, status }) => [end, status])).toEqual(Array.from({ length: TRIES }, () => ['refused', 503]));
    expect((await call({ do: 'derive', path: 'sessions' })).answer).not.toBeNull();
  });
});

describe('the answer to a large put reaches the client:', () => {
  const put = (mebibytes: number): Operation => ({ do: 'put', key: 'large', value: randomBytes(mebibytes * MIB) });

  test.each([2, 3, 4, 6])('413 when the value has %i MiB, which is too large', async (mebibytes) => {
    expect(endsOf(await call(put(mebibytes), ready[0]))).toEqual(['refused 413', 'refused 413', 'refused 413']);
  });

  test('503 when the node is not ready', async () => {
    expect(endsOf(await call(put(1), unready))).toEqual(['refused 503', 'refused 503', 'refused 503']);
  });

  test('403 when the app is not registered', async () => {
    expect(endsOf(await call(put(1), ready[0], stranger))).toEqual(['refused 403', 'refused 403', 'refused 403']);
  });

  test('200 when the value has 1 MiB', async () => {
    expect(endsOf(await call(put(1), ready[0]))).toEqual(['answered 200']);
  });

  test('507 when the app has no room left', async () => {
    for (let nth = 0; nth < 12; nth += 1) await call({ do: 'put', key: `filling ${nth}`, value: randomBytes(MIB) }, ready[0]);
    expect(endsOf(await call({ do: 'put', key: 'one more', value: randomBytes(MIB) }, ready[0]))).toEqual(['refused 507', 'refused 507', 'refused 507']);
  });
});

test.each<[string, Operation, number]>([
  ['asks for its own data key', { do: 'derive', path: 'data_key' }, 400],
  ['asks for a key with a blank path', { do: 'derive', path: ' ' }, 400],
  ['asks for a key of 0 bytes', { do: 'derive', path: 'p', length: 0 }, 400],
  ['writes under a key that is too long', { do: 'put', key: 'x'.repeat(1_025), value: bytes('v') }, 400],
  ['writes under an empty key', { do: 'put', key: '', value: bytes('v') }, 400],
])('a client that %s is refused', async (_, operation, status) => {
  const { attempts } = await call(operation, ready[0]);
  expect(attempts.map((attempt) => [attempt.end, attempt.status])).toEqual(Array.from({ length: TRIES }, () => ['refused', status]));
});

test('a node keeps an idle connection open for longer than the client does', async () => {
  for (const { localUrl } of ready) {
    const answer = await fetch(`${localUrl}/health`);
    const seconds = Number(/timeout=(\d+)/.exec(answer.headers.get('keep-alive') ?? '')?.[1]);
    expect(seconds).toBeGreaterThan(CLIENT_IDLE_SECONDS);
  }
});

test('no error of a ready node makes the client treat the node as unreachable, and only a 404 makes it treat a key as absent', () => {
  const misread = refusals.filter(({ status, text }) => {
    const lower = text.toLowerCase();
    return UNREACHABLE_WORDS.some((words) => lower.includes(words)) || (status !== 404 && lower.includes(ABSENT_WORDS));
  });
  expect(misread).toEqual([]);
  expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set([400, 403, 404, 413, 507]));
});
