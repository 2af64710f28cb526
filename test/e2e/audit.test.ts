/**
 * The audit logs of real nodes (docs/audit.md), fetched and verified with `nova-kms audit`. They record what apps and members did, and
 * their hash chains are valid. They contain no paths, keys or values of apps.
 */
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { MAX_ACK_TIMEOUT_MS } from '../../src/domain/limits.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { expectNoSecrets } from './support/cluster-secrets.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { waitForStates } from './support/quick-blocks.ts';
import type { Secret } from './support/secret-search.ts';
import { StartedCommand, type Ended } from './support/started-command.ts';

const TOKEN = randomBytes(24).toString('base64url');
/** Number of derive requests. The enclave signs a checkpoint as soon as this many entries are unsigned. */
const DERIVES = 1_000;
const CALLERS = 16;

interface Entry {
  readonly op: string;
  readonly seq?: number;
  readonly app_id?: number | null;
  readonly wallet?: string | null;
  readonly target?: string | null;
  readonly outcome?: string;
}

const secrets: Secret[] = [{ name: 'the token', bytes: Buffer.from(TOKEN) }];
let folder: string;
let cluster: Cluster;
let first: ClusterNode;
let second: ClusterNode;
let app: DevApp;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audit-'));
  cluster = await startCluster({
    nodes: 2,
    tickSeconds: 1,
    start: false,
    keepLines: 20_000,
    environment: { AUDIT_TOKEN_SHA256: createHash('sha256').update(TOKEN).digest('hex'), RATE_LIMIT_PER_MINUTE: '0', NONCE_RATE_LIMIT_PER_MINUTE: '0', LOG_LEVEL: 'DEBUG' },
  });
  first = cluster.node(1);
  second = cluster.node(2);
  await first.start();
  await waitForStates(cluster, [first], 'ready');
  await second.start();
  app = await cluster.createApp();
  await cluster.mineConfirmations();
  await waitForStates(cluster, cluster.nodes, 'ready');
});

afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true });
});

async function audit(...args: readonly string[]): Promise<Ended> {
  const command = new StartedCommand('node', ['bin/nova-kms.mjs', 'audit', ...args], { AUDIT_TOKEN: TOKEN });
  const ended = await command.ended;
  await command.clear();
  return ended;
}

const fileOf = (node: ClusterNode): string => join(folder, `${node.name}.jsonl`);

async function fetched(node: ClusterNode): Promise<readonly Entry[]> {
  const { code, stderr } = await audit('fetch', node.localUrl, fileOf(node));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return (await readFile(fileOf(node), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as Entry);
}

async function fetchedWith(node: ClusterNode, op: string): Promise<readonly Entry[]> {
  let entries: readonly Entry[] = [];
  await waitUntil({ what: `a ${op} entry in the audit log`, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 100 }, async () => {
    entries = await fetched(node);
    return entries.some((entry) => entry.op === op) ? null : `${entries.length} entries`;
  });
  return entries;
}

async function useTheApp(): Promise<void> {
  const text = (what: string): string => {
    const made = `${what} ${randomBytes(12).toString('base64url')}`;
    secrets.push({ name: what, bytes: Buffer.from(made) });
    return made;
  };
  const [path, key] = [text('a path'), text('a key')];
  const { key: derived } = await app.client.derive({ path }, { node: first.wallet });
  secrets.push({ name: 'a derived key', bytes: derived });
  await app.client.derive({ path }, { node: second.wallet });
  await app.client.put({ key, value: Buffer.from(text('a value')), acks: 1, ackTimeoutMs: MAX_ACK_TIMEOUT_MS }, { node: first.wallet });
  await app.client.delete({ key }, { node: first.wallet });
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let number = 0; number < DERIVES / CALLERS; number += 1) await app.client.derive({ path }, { node: first.wallet });
    }),
  );
}

describe('after a claim, a hand-over, a snapshot, derive requests, a put and a delete,', () => {
  let entries: readonly Entry[];
  beforeAll(async () => {
    await useTheApp();
    entries = await fetchedWith(first, 'checkpoint');
  });

  test('the audit log has an entry for each of these actions, with its caller and its outcome', async () => {
    const hash = await cluster.chain.masterSecretHash();
    const of = (op: string): readonly Entry[] => entries.filter((entry) => entry.op === op);
    expect(entries[0]).toMatchObject({ op: 'start', seq: 1 });
    expect(of('claim')[0]).toMatchObject({ wallet: first.wallet, target: hash, outcome: 'pending' });
    expect(of('install')).toMatchObject([{ wallet: null, target: hash, outcome: 'ok' }]);
    expect(of('hand_over')).toMatchObject([{ wallet: second.wallet, outcome: 'ok' }]);
    expect(of('snapshot')[0]).toMatchObject({ wallet: second.wallet, outcome: 'ok' });
    const tag: unknown = expect.stringMatching(/^[0-9a-f]{32}$/);
    for (const op of ['put', 'delete']) expect(of(op)).toMatchObject([{ wallet: app.wallet, app_id: app.appId, target: tag, outcome: 'ok' }]);
    expect(of('put')[0]!.target).toBe(of('delete')[0]!.target);
    expect(of('derive').length).toBeGreaterThan(DERIVES / 2);
  });

  test('the audit log of the second node shows that this node got the secret from the first node, and both logs have the same tag for the same path', async () => {
    const others = await fetchedWith(second, 'derive');
    expect(others.filter(({ op }) => op === 'install')).toMatchObject([{ wallet: first.wallet, target: await cluster.chain.masterSecretHash() }]);
    const tags = (of: readonly Entry[]): unknown[] => [...new Set(of.filter(({ op }) => op === 'derive').map(({ target }) => target))];
    expect(tags(others)).toEqual(tags(entries));
  });

  test('the fetched file passes verification with the wallet of the node, but not with another wallet', async () => {
    const { code, stdout, stderr } = await audit('verify', '--wallet', first.wallet, fileOf(first));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^checkpoints  [1-9]\\d*, signed by ${first.wallet}$`, 'm'));
    expect(stdout).toMatch(/\nverified\n$/);
    const other = await audit('verify', '--json', '--wallet', second.wallet, fileOf(first));
    expect([other.code, (JSON.parse(other.stdout) as { ok: boolean }).ok]).toEqual([3, false]);
  });

  test('a changed file fails verification, and `fetch` refuses to add entries to it', async () => {
    const changed = join(folder, 'changed.jsonl');
    await writeFile(changed, (await readFile(fileOf(first), 'utf8')).replace('"op":"put","outcome":"ok"', '"op":"put","outcome":"no"'));
    expect(await audit('verify', changed)).toMatchObject({ code: 3, stdout: expect.stringMatching(/^line \d+: the hash of entry \d+ does not follow/m) });
    expect(await audit('fetch', first.localUrl, changed)).toMatchObject({ code: 3, stderr: expect.stringContaining('does not verify: line') });
  });

  test('a wrong token and an incomplete command line are each refused with a one-line message', async () => {
    const command = new StartedCommand('node', ['bin/nova-kms.mjs', 'audit', 'fetch', first.localUrl, join(folder, 'none')], { AUDIT_TOKEN: 'another' });
    expect(await command.ended).toEqual({ code: 1, stdout: '', stderr: 'the node refuses the token\n' });
    await command.clear();
    expect(await audit('fetch', first.localUrl)).toEqual({ code: 2, stdout: '', stderr: 'fetch takes a URL and a file\n' });
  });
});

test('after a restart of the node, its audit file has a second hash chain, and both chains are valid', async () => {
  await second.kill();
  await second.start();
  await waitForStates(cluster, [second], 'ready');
  const entries = await fetched(second);
  expect(entries.filter(({ op }) => op === 'start')).toHaveLength(2);
  expect(JSON.parse((await audit('verify', '--json', fileOf(second))).stdout)).toMatchObject({ ok: true, chains: 2, missing: 0 });
});

test('a derive request is recorded with a tag made from the secret in use at that time, even if the secret is set aside before the log is read', async () => {
  const derive = () => app.client.derive({ path: 'asked twice' }, { node: first.wallet });
  const lastTag = (entries: readonly Entry[]) => entries.findLast(({ op }) => op === 'derive')!.target;
  await derive();
  const tag = lastTag(await fetched(first));
  expect(tag).toMatch(/^[0-9a-f]{32}$/);
  await derive();
  const hash = await cluster.chain.masterSecretHash();
  await cluster.chain.resetMasterSecretHash();
  // Reading the log would make the node write the entry, so the test does not read the log before another secret is in use.
  await waitUntil({ what: 'another secret', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 100 }, async () => {
    await cluster.mineConfirmations();
    const confirmed = (await first.status()).cluster['master_secret_hash'] as string | null;
    return confirmed !== null && confirmed !== hash ? null : `the hash is ${confirmed}`;
  });
  const entries = await fetched(first);
  expect(entries.some(({ op }) => op === 'set_aside')).toBe(true);
  expect(lastTag(entries)).toBe(tag);
  await waitForStates(cluster, cluster.nodes, 'ready');
});

test('before a node exits, the reader of its audit log can fetch the signed end of the log', async () => {
  let after = (await fetched(first)).at(-1)!.seq!;
  const stopped = first.stop();
  await waitUntil({ what: 'the end of the audit log', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 20 }, async () => {
    const answer = await fetch(`${first.localUrl}/audit?after=${after}`, { headers: { authorization: `Bearer ${TOKEN}` } }).catch(() => null);
    if (answer === null) return 'the node does not answer';
    const { entries } = (await answer.json()) as { readonly entries: readonly Entry[] };
    await appendFile(fileOf(first), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    after = entries.at(-1)?.seq ?? after;
    return entries.some(({ op }) => op === 'stop') ? null : `entry ${after} is not the end`;
  });
  expect(await stopped).toEqual({ code: 0, signal: null });
  const ops = (await readFile(fileOf(first), 'utf8')).trimEnd().split('\n').map((line) => (JSON.parse(line) as Entry).op);
  expect(ops.slice(-2)).toEqual(['stop', 'checkpoint']);
  const verified = await audit('verify', '--complete', '--json', '--wallet', first.wallet, fileOf(first));
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, missing: 0, unsigned: 0 });
});

test('no audit log and no other output contains key bytes, a token, or a path, key or value of an app', async () => {
  const outputs = await Promise.all(cluster.nodes.map(async (node) => ({ source: `the audit log of ${node.name}`, text: await readFile(fileOf(node), 'utf8') })));
  await expectNoSecrets(cluster, { secrets, outputs });
});
