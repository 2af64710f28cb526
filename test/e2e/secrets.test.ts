/**
 * No output of a node contains a secret (protocol.md §2). A run at `LOG_LEVEL=DEBUG` goes through a claim, a hand-over, derive requests,
 * writes, refusals and a reset. The test searches every line, answer, inspector event and output of a visualiser for every secret in every
 * form. The search is tested too: it must find a deliberate leak in each form.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createActor, fromPromise, setup } from 'xstate';
import { keccak256, sha256 } from '../../src/crypto/hash.ts';
import { ZERO_HASH } from '../../src/domain/ids.ts';
import { startCluster, type Cluster } from '../../src/dev/cluster.ts';
import type { DevApp } from '../../src/dev/dev-app.ts';
import { CapturedOutput } from '../../src/dev/captured-output.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { askMasterSecret, expectNoSecrets, linesOf, secretsFrom } from './support/cluster-secrets.ts';
import { InspectorRecord } from './support/inspector.ts';
import { startInProcessNode, type InProcessNode } from './support/in-process-node.ts';
import { waitForStates } from './support/quick-blocks.ts';
import { createRawApp, RawHttp, type RawApp } from './support/raw-caller.ts';
import { VisualizerRecord } from './support/visualizer-record.ts';
import { assertNoSecrets, findSecrets, SecretLeakError, type Output, type Secret, type SecretForm } from './support/secret-search.ts';

describe('the search', () => {
  const bytes = randomBytes(32);
  const secret: Secret = { name: 'the secret', bytes };
  const array = new Uint8Array(bytes);
  const after = (count: number): Buffer => Buffer.concat([Buffer.alloc(count, 0x61), bytes, Buffer.from('z')]);
  const spaced = bytes.toString('hex').match(/../g)!;

  const LEAKS: readonly (readonly [string, SecretForm, string])[] = [
    ['hex', 'hex', `the key is ${bytes.toString('hex')}!`],
    ['hex with 0x', 'hex', `{"key":"0x${bytes.toString('hex')}"}`],
    ['upper-case hex', 'hex', bytes.toString('hex').toUpperCase()],
    ['hex with colons', 'hex', spaced.join(':')],
    ['hex numbers', 'hex', spaced.map((digits) => `0x${digits}`).join(', ')],
    ['a printed Buffer', 'hex', inspect(bytes)],
    ['hex that was cut short', 'hex', `${bytes.toString('hex').slice(0, 30)}…`],
    ['the end of the hex', 'hex', bytes.toString('hex').slice(-30)],
    ['base64', 'base64', bytes.toString('base64')],
    ['base64url', 'base64', `token=${bytes.toString('base64url')}&`],
    ['base64 in lines', 'base64', bytes.toString('base64').replace(/.{16}/g, '$&\n')],
    ['base64 with one byte before the secret', 'base64', after(1).toString('base64')],
    ['base64url with two bytes before the secret', 'base64', after(2).toString('base64url')],
    ['base64 that was cut short', 'base64', bytes.toString('base64').slice(0, 20)],
    ['a JSON array', 'decimal bytes', JSON.stringify([...bytes])],
    ['a Buffer as JSON', 'decimal bytes', JSON.stringify(bytes)],
    ['a Uint8Array as JSON', 'decimal bytes', JSON.stringify(array)],
    ['a printed Uint8Array', 'decimal bytes', inspect(array)],
    ['an indented JSON array', 'decimal bytes', JSON.stringify([...bytes], null, 2)],
    ['bytes as characters', 'raw bytes', bytes.toString('latin1')],
    ['bytes as characters in JSON', 'raw bytes', JSON.stringify({ key: bytes.toString('latin1') })],
  ];

  test.each(LEAKS)('finds %s', (_, form, text) => {
    const outputs = [{ source: 'the log', text: 'a line before' }, { source: 'the log', text: `${text} ` }];
    expect(findSecrets([secret], outputs)).toContainEqual({ secret: 'the secret', form, source: 'the log' });
    expect(() => assertNoSecrets([secret], outputs)).toThrow(SecretLeakError);
  });

  test('finds an array that is printed on several lines', () => {
    const outputs = inspect(array).split('\n').map((text) => ({ source: 'the log', text }));
    expect(outputs.length).toBeGreaterThan(1);
    expect(findSecrets([secret], outputs).map(({ form }) => form)).toEqual(['decimal bytes']);
  });

  test('finds raw bytes that a process wrote', async () => {
    const readable = 'sixteen readable bytes and more';
    const written = Buffer.concat([Buffer.from(readable), Buffer.of(0xff, 0xfe, 0x80)]);
    const output = new CapturedOutput('node-1', 10);
    const pipe = new Readable({ read: () => undefined });
    output.follow('stderr', pipe);
    pipe.push(Buffer.concat([Buffer.from('it is '), written, Buffer.from('\n')]));
    pipe.push(null);
    await once(pipe, 'end');
    const outputs = output.lines().map(({ source, text }) => ({ source, text }));
    expect(findSecrets([{ name: 'the text', bytes: written }], outputs)).toEqual([{ secret: 'the text', form: 'raw bytes', source: 'node-1' }]);
  });

  test('finds the output and the input of an invoked actor in the events of the inspector', async () => {
    const record = new InspectorRecord('the inspector');
    const machine = setup({ actors: { leak: fromPromise<Uint8Array, { given: string }>(async () => array) } }).createMachine({
      initial: 'working',
      states: {
        working: { invoke: { src: 'leak', input: { given: 'f'.repeat(20) + 'the plaintext that it was given' }, onDone: 'done' } },
        done: { type: 'final' },
      },
    });
    const actor = createActor(machine);
    record.attach(actor);
    const finished = Promise.withResolvers<undefined>();
    actor.subscribe({ complete: () => finished.resolve(undefined) });
    actor.start();
    await finished.promise;
    const given = { name: 'the input', bytes: Buffer.from('the plaintext that it was given') };
    const found = findSecrets([secret, given], record.outputs()).map(({ secret: name }) => name);
    expect(new Set(found)).toEqual(new Set(['the secret', 'the input']));
  });

  test('does not report harmless text, and reports where a leak is without showing the secret', () => {
    const harmless = [
      { source: 'a', text: randomBytes(64).toString('hex') },
      { source: 'b', text: randomBytes(64).toString('base64') },
      { source: 'c', text: JSON.stringify([...randomBytes(64)]) },
      { source: 'd', text: keccak256(bytes) },
    ];
    expect(findSecrets([secret], harmless)).toEqual([]);
    const leak = new SecretLeakError(findSecrets([secret], [{ source: 'node-1 stderr', text: bytes.toString('hex') }]));
    expect(leak.message).toBe('secrets were shown:\nthe secret as hex in node-1 stderr');
  });

  test('refuses to search for a secret that is too short to be found reliably', () => {
    expect(() => findSecrets([{ name: 'short', bytes: randomBytes(8) }], [])).toThrow(RangeError);
  });
});

describe('a run through a claim, a hand-over, derive requests, refusals and a reset', () => {
  const firstSecret = randomBytes(32);
  const http = new RawHttp();
  const token = randomBytes(24).toString('base64url');
  const metricsToken = randomBytes(24).toString('base64url');
  const auditToken = randomBytes(24).toString('base64url');
  const environment = {
    AUDIT_TOKEN_SHA256: Buffer.from(sha256(auditToken)).toString('hex'),
    LOG_LEVEL: 'DEBUG',
    METRICS_TOKEN_SHA256: Buffer.from(sha256(metricsToken)).toString('hex'),
    KMS_NODE_TICK_SECONDS: '2',
    DATA_SYNC_INTERVAL_SECONDS: '1',
    RATE_LIMIT_PER_MINUTE: '0',
    NONCE_RATE_LIMIT_PER_MINUTE: '0',
  };
  const visualizers = new VisualizerRecord();
  const secrets: Secret[] = [...secretsFrom(Uint8Array.from(firstSecret)).map(({ name, bytes }) => ({ name: `${name} before the reset`, bytes }))];
  /** Functions that close what the tests have started. They run in reverse order. */
  const closers: (() => Promise<void>)[] = [];
  let secondSecret: Uint8Array;
  let cluster: Cluster;
  let inProcess: InProcessNode;
  let raw: RawApp;
  let app: DevApp;

  beforeAll(async () => {
    raw = await createRawApp('the app', { http });
    cluster = await startCluster({
      nodes: 3,
      tickSeconds: 2,
      keepLines: 1_000_000,
      environment,
      visualizer: { token },
      plans: [{ environment: { MASTER_SECRET_HEX: firstSecret.toString('hex') } }, { start: false }, { start: false }],
      prepare: async (preparing) => {
        app = await preparing.createApp({ appId: 1_001 });
        await preparing.chain.createApp(1_002);
        const { wallet, teePubkey } = raw.caller;
        await preparing.chain.register({ appId: 1_002, wallet, teePubkey, url: 'http://127.0.0.1:9' });
      },
    });
    closers.push(() => cluster.close());
    closers.push(() => visualizers.close());
    for (const place of [1, 2]) visualizers.follow(cluster.node(place));
    secrets.push({ name: 'the visualiser token', bytes: Buffer.from(token) }, { name: 'the metrics token', bytes: Buffer.from(metricsToken) }, { name: 'the audit token', bytes: Buffer.from(auditToken) });
    secrets.push(...raw.keys, { name: 'the wallet key of the other app', bytes: Buffer.from(app.secretHex, 'hex') });
    await waitForStates(cluster, [cluster.node(1)], 'ready');
    inProcess = await startInProcessNode(cluster.node(3), cluster, environment);
    closers.push(() => inProcess.close());
    await cluster.node(2).start();
    await allReady();
    await askForKeys('before the reset');
    await provokeRefusals();
    await lookAtEverything();
    await resetAndRecover();
    await askForKeys('after the reset');
    await provokeRefusals();
    await lookAtEverything();
  });

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  async function available(node: number): Promise<boolean> {
    return (await cluster.node(node).tryStatus())?.node.service_available === true;
  }

  async function allReady(): Promise<void> {
    await waitUntil({ what: 'all nodes becoming ready', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
      const ready = await Promise.all([1, 2, 3].map(available));
      if (!ready.includes(false)) return null;
      await cluster.chain.mine(1);
      return `ready: ${ready.join(', ')}`;
    });
  }

  async function askForKeys(when: string): Promise<void> {
    for (const node of cluster.nodes) {
      const { key } = await app.client.derive({ path: `of ${when}`, length: 64 }, { node: node.wallet });
      secrets.push({ name: `a key for the app ${when}`, bytes: key });
      const inner = { path: `raw path ${randomBytes(12).toString('base64url')}`, context: `context ${randomBytes(12).toString('base64url')}` };
      const answer = await raw.caller.open(await raw.caller.send(node, 'POST', '/kms/derive', inner));
      secrets.push({ name: `a key for the raw app ${when}`, bytes: Buffer.from(answer['key'] as string, 'base64') });
      secrets.push({ name: 'a path', bytes: Buffer.from(inner.path) }, { name: 'a context', bytes: Buffer.from(inner.context) });
    }
    await write(when);
  }

  /** Writes a key on each node, waits until the other nodes have it, and deletes it. */
  async function write(when: string): Promise<void> {
    for (const node of cluster.nodes) {
      const key = `key ${randomBytes(12).toString('base64url')}`;
      const value = randomBytes(48);
      secrets.push({ name: `a key in the store ${when}`, bytes: Buffer.from(key) }, { name: `a value in the store ${when}`, bytes: value });
      await app.client.put({ key, value, acks: 2, ackTimeoutMs: 20_000 }, { node: node.wallet });
      await app.client.delete({ key }, { node: node.wallet });
    }
  }

  /** Sends requests with a token, a plaintext or both. The node refuses each request at a different place in the code. */
  async function provokeRefusals(): Promise<void> {
    const inner = { path: `refused path ${randomBytes(12).toString('base64url')}` };
    secrets.push({ name: 'a refused path', bytes: Buffer.from(inner.path) });
    const { caller } = raw;
    for (const node of cluster.nodes) {
      const derive = caller.send.bind(caller, node, 'POST', '/kms/derive');
      const statuses = [
        await derive(inner, { timestamp: '1' }),
        await derive(inner, { recipient: raw.caller.wallet }),
        await derive(inner, { body: JSON.stringify(inner) }),
        await derive(inner, { body: randomBytes(4_096) }),
        await derive(JSON.stringify([inner])),
        await derive(`path=${inner.path}`),
        await derive({ ...inner, length: inner.path }),
        await derive({ path: inner.path.repeat(200) }),
        await derive(inner, { envelope: (good) => ({ ...good, nonce: '00'.repeat(12) }) }),
        await caller.send(node, 'POST', `/kms/${encodeURIComponent('no such route')}`, inner),
        await caller.send(node, 'POST', '/sync', inner),
        await http.send(node.localUrl, { method: 'POST', path: '/sync', body: inner.path }),
      ].map(({ status }) => status);
      expect(statuses).toEqual([403, 403, 400, 400, 400, 400, 400, 400, 400, 404, 403, 403]);
    }
  }

  async function lookAtEverything(): Promise<void> {
    for (const { localUrl } of cluster.nodes) {
      for (const path of ['/', '/health', '/status', '/nodes', '/livez?verbose', '/readyz?verbose', '/readyz/enclave_api', '/no/such/route', '/audit', '/openapi.json']) await http.get(localUrl, path);
      await http.send(localUrl, { method: 'GET', path: '/audit', headers: { authorization: `Bearer ${auditToken}` } });
      await http.send(localUrl, { method: 'GET', path: '/metrics', headers: { authorization: `Bearer ${metricsToken}` } });
      await http.send(localUrl, { method: 'POST', path: '/kms/derive' });
      await http.send(localUrl, { method: 'PUT', path: '/kms/derive' });
    }
    for (const place of [1, 2]) await visualizers.ask(cluster.node(place));
  }

  async function resetAndRecover(): Promise<void> {
    const { chain } = cluster;
    await chain.resetMasterSecretHash();
    await waitUntil({ what: 'all nodes noticing the reset', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
      const ready = await Promise.all([1, 2, 3].map(available));
      if (!ready.includes(true)) return null;
      if ((await chain.masterSecretHash()) === ZERO_HASH) await chain.mine(1);
      return `ready: ${ready.join(', ')}`;
    });
    await lookAtEverything();
    await allReady();
    secondSecret = await askMasterSecret(cluster.node(1), cluster.node(2), http);
    secrets.push(...secretsFrom(secondSecret));
  }

  function everything(): readonly Output[] {
    return [...http.outputs, ...inProcess.outputs(), ...visualizers.outputs()];
  }

  function allSecrets(): readonly Secret[] {
    return [...secrets, ...raw.caller.sent, ...inProcess.secrets];
  }

  test('goes through every step: the nodes use a new secret at the end, and every kind of output is present', async () => {
    expect(Buffer.from(secondSecret).equals(firstSecret)).toBe(false);
    expect(await cluster.chain.masterSecretHash()).toBe(keccak256(secondSecret));
    expect(await cluster.chain.claimsMined()).toBe(2);
    const sources = new Set([...linesOf(cluster), ...everything()].map(({ source }) => source));
    for (const source of ['node-1 stderr', 'node-2 stderr', 'node-3 in process', 'inspector of node-3', `answers of ${cluster.node(1).localUrl}`]) {
      expect(sources).toContain(source);
    }
    for (const place of [1, 2]) {
      for (const what of ['events', 'trace', 'session', 'layouts', 'commands']) expect(sources).toContain(`visualiser of node-${place}: ${what}`);
    }
    const seen = visualizers.outputs().map(({ text }) => text).join('');
    const audits = http.outputs.map(({ text }) => text).join('');
    for (const op of ['derive', 'put', 'delete', 'hand_over', 'install', 'set_aside', 'claim', 'snapshot']) expect(audits).toContain(`"op":"${op}"`);
    for (const what of ['"kind":"span"', 'node.nodeTick.fetchingSecret', 'node.readiness.ready', '"peers"', 'xstate.done.actor.fetchSecret']) expect(seen).toContain(what);
    expect(http.outputs.map(({ text }) => text).join('')).toContain('nova_kms_http_requests_total{route="/kms/derive"');
    expect(inProcess.inspector.failed).toBe(false);
    expect([...inProcess.inspector.types].sort()).toEqual(['@xstate.action', '@xstate.actor', '@xstate.event', '@xstate.microstep', '@xstate.snapshot']);
    const names = new Set(allSecrets().map(({ name }) => name));
    for (const name of ['the master secret', 'the sync key', 'the data key of app 1001', 'a candidate', 'a proof between nodes', 'a signature', 'a nonce']) {
      expect(names).toContain(name);
    }
  });

  test('shows no secret in any output', async () => {
    await expectNoSecrets(cluster, { secrets: allSecrets(), outputs: everything() });
  });

  test('prints no hex that is longer than a hash, and therefore no signature, public key or ciphertext', () => {
    const lines = [...linesOf(cluster), ...inProcess.outputs(), ...visualizers.outputs()].filter(({ source }) => /^node-\d (?:stdout|stderr|in process)$|^visualiser .*: (?:events|trace|session|commands)$/.test(source));
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.filter(({ text }) => /[0-9a-f]{65}/i.test(text)).map(({ source }) => source)).toEqual([]);
  });

  test.each([
    ['a line of a node', (bytes: Buffer) => ({ source: 'node-2 stderr', text: `{"level":"debug","key":"${bytes.toString('hex')}"}` })],
    ['an answer', (bytes: Buffer) => ({ source: 'answers of node-1', text: `403 {"code":"forbidden","message":"${bytes.toString('base64')}"}` })],
    ['an inspector event', (bytes: Buffer) => ({ source: 'inspector of node-3', text: inspect({ output: new Uint8Array(bytes) }) })],
    ['an event of a visualiser', (bytes: Buffer) => ({ source: 'visualiser of node-1: events', text: `data: {"shown":{"hash":"0x${bytes.toString('hex')}"}}` })],
    ['a snapshot', (bytes: Buffer) => ({ source: 'inspector of node-3', text: JSON.stringify({ context: { secret: new Uint8Array(bytes) } }) })],
  ] as const)('fails the search if a secret appears in %s', async (_, leak) => {
    const leaked = secretsFrom(secondSecret);
    const outputs = [...everything(), ...leaked.map(({ bytes }) => leak(Buffer.from(bytes)))];
    const found = await expectNoSecrets(cluster, { secrets: leaked, outputs }).catch((error: unknown) => error);
    expect(found).toBeInstanceOf(SecretLeakError);
    const names = (found as SecretLeakError).findings.map(({ secret }) => secret);
    expect(new Set(names)).toEqual(new Set(leaked.map(({ name }) => name)));
  });
});
