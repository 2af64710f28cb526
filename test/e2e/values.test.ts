/**
 * The limits and lifetimes of values on real nodes (protocol.md §2, §3, §4, §9.6, §9.7, §10): the largest value, the quota of an app,
 * TTL, a node that joins later, and a reset of the hash.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { KmsClientError } from '../../src/client/errors.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { MAX_ACK_TIMEOUT_MS } from '../../src/domain/limits.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { answersOf, expectNoSecrets } from './support/cluster-secrets.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { waitForStates } from './support/quick-blocks.ts';
import { expectedValues, keysOn, valuesOn, waitForAbsence } from './support/replication-view.ts';

/** The default of `MAX_KV_VALUE_SIZE_BYTES`. */
const MAX_VALUE_BYTES = 1_048_576;
/** `MAX_APP_STORAGE_BYTES` of these nodes: room for one value of the largest size with its key, but not for two. */
const MAX_APP_BYTES = MAX_VALUE_BYTES + 200_000;
const PORTION_BYTES = 131_072;
/**
 * With these options, a node answers a write as soon as both other nodes have it. If the longest allowed wait ends first, the node answers
 * with an error.
 */
const ON_ALL = { acks: 2, ackTimeoutMs: MAX_ACK_TIMEOUT_MS } as const;
/** A TTL too long to elapse during the test. Milliseconds. */
const LONG_TTL_MS = 3_600_000;
/** A TTL short enough to elapse during the test. Milliseconds. */
const SHORT_TTL_MS = 1_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({
    nodes: 3,
    tickSeconds: 2,
    start: false,
    keepLines: 20_000,
    environment: {
      MAX_APP_STORAGE_BYTES: String(MAX_APP_BYTES),
      DATA_SYNC_INTERVAL_SECONDS: '1',
      RATE_LIMIT_PER_MINUTE: '0',
      NONCE_RATE_LIMIT_PER_MINUTE: '0',
      LOG_LEVEL: 'DEBUG',
    },
  });
  await Promise.all(cluster.nodes.map((node) => node.start()));
  await waitForStates(cluster, cluster.nodes, 'ready');
});

afterAll(async () => {
  await cluster.close();
});

async function newApp(): Promise<DevApp> {
  const app = await cluster.createApp();
  await cluster.mineConfirmations();
  return app;
}

function others(node: ClusterNode): readonly ClusterNode[] {
  return cluster.nodes.filter((other) => other !== node);
}

/** The refusal that the client got; null if the call succeeded. */
async function refusalOf(call: Promise<unknown>): Promise<{ readonly status: unknown; readonly code: unknown } | null> {
  try {
    await call;
    return null;
  } catch (error) {
    const { status, serverCode } = error as KmsClientError;
    return { status, code: serverCode };
  }
}

test('values and lists of every size are the same on all nodes', async () => {
  const [app, [writer, reader]] = [await newApp(), cluster.nodes as [ClusterNode, ClusterNode]];
  const keys: string[] = [];
  for (let size = 500; size < PORTION_BYTES; size = Math.ceil(size * 1.35)) {
    // Long keys, so that a few of them make a long list.
    const key = `${'k'.repeat(400)}/${String(size).padStart(6, '0')}`;
    const value = randomBytes(size);
    keys.push(key);
    await app.client.put({ key, value, ...ON_ALL }, { node: writer.wallet });
    expect(Buffer.compare((await app.client.get(key, { node: reader.wallet }))!.value, value)).toBe(0);
    expect((await app.client.list({}, { node: reader.wallet })).keys).toEqual(keys);
  }
});

describe('the largest value', () => {
  test('can be written on any node and read on the others', async () => {
    const apps = new Map<ClusterNode, DevApp>();
    for (const node of cluster.nodes) apps.set(node, await newApp());
    await Promise.all(
      [...apps].map(async ([writer, app]) => {
        const value = randomBytes(MAX_VALUE_BYTES);
        const { acks } = await app.client.put({ key: 'large', value, ...ON_ALL }, { node: writer.wallet });
        expect(acks).toBe(2);
        const expected = expectedValues(['large'], () => value);
        for (const node of cluster.nodes) expect(await valuesOn(app, node, ['large'])).toEqual(expected);
      }),
    );
  });

  test('plus one byte is refused with 413, and no node keeps it', async () => {
    const app = await newApp();
    for (const node of cluster.nodes) {
      const call = app.client.put({ key: 'too large', value: randomBytes(MAX_VALUE_BYTES + 1) }, { node: node.wallet });
      expect(await refusalOf(call)).toEqual({ status: 413, code: 'payload_too_large' });
      expect(await keysOn(app, node)).toEqual([]);
    }
  });
});

test('a node that joins later has every record, and no key that was deleted before it joined', async () => {
  const app = await newApp();
  const [writer] = cluster.nodes as [ClusterNode];
  const values = new Map<string, Uint8Array>([
    ['large', randomBytes(MAX_VALUE_BYTES)],
    ['empty', new Uint8Array()],
    ['__proto__', randomBytes(16)],
    ['a/../b?c=%2F 😀', randomBytes(16)],
  ]);
  for (const [key, value] of values) await app.client.put({ key, value, ...ON_ALL }, { node: writer.wallet });
  await app.client.put({ key: 'deleted', value: randomBytes(16), ...ON_ALL }, { node: writer.wallet });
  await app.client.delete({ key: 'deleted', ...ON_ALL }, { node: writer.wallet });
  const joining = await cluster.addNode();
  await cluster.mineConfirmations();
  await joining.start();
  await waitForStates(cluster, [joining], 'ready');
  const keys = [...values.keys()];
  await waitUntil({ what: 'the new node in the list of the client', timeoutMs: WAIT_TIMEOUT_MS }, async () =>
    (await app.client.nodes()).some(({ wallet }) => wallet === joining.wallet) ? null : 'the list does not contain it yet',
  );
  expect(await keysOn(app, joining)).toEqual([...keys].sort());
  expect(await valuesOn(app, joining, keys)).toEqual(expectedValues(keys, (key) => values.get(key)!));
  const totals = await Promise.all(cluster.nodes.map(async (node) => (await node.status()).data_store));
  expect(new Set(totals.map((total) => JSON.stringify(total))).size).toBe(1);
  const { acks } = await app.client.put({ key: 'to all', value: randomBytes(16), ...ON_ALL, acks: 3 }, { node: joining.wallet });
  expect(acks).toBe(3);
});

describe('an app at its quota', () => {
  test('is refused with 507, keeps all its keys on every node, does not limit other apps, and can write again after a delete', async () => {
    const app = await newApp();
    const values = new Map<string, Uint8Array>();
    let refused: Awaited<ReturnType<typeof refusalOf>> = null;
    const [writer] = cluster.nodes as [ClusterNode];
    while (refused === null && values.size * PORTION_BYTES <= MAX_APP_BYTES) {
      const key = `portion-${values.size}`;
      const value = randomBytes(PORTION_BYTES);
      refused = await refusalOf(app.client.put({ key, value, ...ON_ALL }, { node: writer.wallet }));
      if (refused === null) values.set(key, value);
    }
    expect(refused).toEqual({ status: 507, code: 'insufficient_storage' });
    expect(values.size).toBe(Math.floor(MAX_APP_BYTES / PORTION_BYTES));
    const keys = [...values.keys()];
    const expected = expectedValues(keys, (key) => values.get(key)!);
    for (const node of cluster.nodes) {
      const tooMuch = app.client.put({ key: 'one more', value: randomBytes(PORTION_BYTES) }, { node: node.wallet });
      expect(await refusalOf(tooMuch)).toEqual({ status: 507, code: 'insufficient_storage' });
      const grown = app.client.put({ key: keys[0]!, value: randomBytes(2 * PORTION_BYTES) }, { node: node.wallet });
      expect(await refusalOf(grown)).toEqual({ status: 507, code: 'insufficient_storage' });
      expect(await keysOn(app, node)).toEqual([...keys].sort());
      expect(await valuesOn(app, node, keys)).toEqual(expected);
    }
    const other = await newApp();
    expect(await refusalOf(other.client.put({ key: 'of another app', value: randomBytes(PORTION_BYTES) }, { node: writer.wallet }))).toBeNull();
    await app.client.delete({ key: keys[0]!, ...ON_ALL }, { node: writer.wallet });
    // If the first answer to a delete is lost, the retry gets "there is no such key" and does not wait for the other nodes.
    await waitForAbsence(app, cluster.nodes, keys[0]!, WAIT_TIMEOUT_MS);
    const replacement = randomBytes(PORTION_BYTES);
    for (const node of others(writer)) {
      const { acks } = await app.client.put({ key: 'replacement', value: replacement, ...ON_ALL }, { node: node.wallet });
      expect(acks).toBe(2);
    }
    const left = [...keys.slice(1), 'replacement'];
    const leftExpected = expectedValues(left, (key) => values.get(key) ?? replacement);
    for (const node of cluster.nodes) expect(await valuesOn(app, node, left)).toEqual(leftExpected);
  });
});

test('a value with a TTL reaches all nodes, and is absent on all nodes after the TTL has passed', async () => {
  const app = await newApp();
  const [writer] = cluster.nodes as [ClusterNode];
  const value = randomBytes(32);
  await app.client.put({ key: 'fleeting', value, ttlMs: LONG_TTL_MS, ...ON_ALL }, { node: writer.wallet });
  await app.client.put({ key: 'lasting', value, ...ON_ALL }, { node: writer.wallet });
  const lists = await Promise.all(cluster.nodes.map((node) => keysOn(app, node)));
  expect(lists).toEqual(cluster.nodes.map(() => ['fleeting', 'lasting']));
  await app.client.put({ key: 'fleeting', value, ttlMs: SHORT_TTL_MS, ...ON_ALL }, { node: writer.wallet });
  await waitForAbsence(app, cluster.nodes, 'fleeting', WAIT_TIMEOUT_MS);
  for (const node of cluster.nodes) {
    expect(await valuesOn(app, node, ['fleeting', 'lasting'])).toEqual([
      'fleeting absent',
      ...expectedValues(['lasting'], () => value),
    ]);
    expect(await app.client.delete({ key: 'fleeting' }, { node: node.wallet })).toMatchObject({ deleted: false });
  }
  // The expired record does not prevent a new one.
  await app.client.put({ key: 'fleeting', value, ...ON_ALL }, { node: cluster.nodes[2]!.wallet });
  for (const node of cluster.nodes) {
    expect(await valuesOn(app, node, ['fleeting'])).toEqual(expectedValues(['fleeting'], () => value));
  }
});

test('after a reset of the hash, the store is empty on every node, and new writes work', async () => {
  const app = await newApp();
  const [writer] = cluster.nodes as [ClusterNode];
  await app.client.put({ key: 'old', value: randomBytes(16), ...ON_ALL, acks: 1 }, { node: writer.wallet });
  const oldHash = await cluster.chain.masterSecretHash();
  await cluster.chain.resetMasterSecretHash();
  await cluster.mineConfirmations();
  await waitUntil({ what: 'every node becoming ready with an empty store', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
    await cluster.chain.mine(1);
    const views = await Promise.all(cluster.nodes.map((node) => node.status()));
    const isAnew = views.every(({ readiness, data_store: held }) => readiness?.state === 'ready' && held.total_keys === 0);
    return isAnew ? null : views.map(({ readiness, data_store: held }) => `${readiness?.state} with ${held.total_keys} keys`).join(', ');
  });
  expect(await cluster.chain.masterSecretHash()).not.toBe(oldHash);
  for (const node of cluster.nodes) {
    expect((await node.status()).data_store).toMatchObject({ namespaces: 0, total_keys: 0, total_bytes: 0 });
    expect(await keysOn(app, node)).toEqual([]);
  }
  const value = randomBytes(64);
  for (const node of cluster.nodes) {
    const { acks } = await app.client.put({ key: `new on ${node.name}`, value, ...ON_ALL, acks: others(node).length }, { node: node.wallet });
    expect(acks).toBe(others(node).length);
  }
  const keys = cluster.nodes.map(({ name }) => `new on ${name}`);
  for (const node of cluster.nodes) {
    expect(await keysOn(app, node)).toEqual(keys);
    expect(await valuesOn(app, node, keys)).toEqual(expectedValues(keys, () => value));
  }
});

test('no output or answer contains a secret', async () => {
  await expectNoSecrets(cluster, { outputs: await answersOf(cluster) });
});
