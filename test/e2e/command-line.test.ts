/** Runs `nova-kms` against a cluster that `npm start` runs, and checks what scripts and operators see, even after a node is killed. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { AppFile } from '../../src/cli/app/app-file.ts';
import type { ClusterReport } from '../../src/cli/status/report.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { assertNoSecrets } from './support/secret-search.ts';
import { StartedCommand, type Ended } from './support/started-command.ts';

/** No process listens at this URL. */
const NOWHERE = 'http://127.0.0.1:9';

const folder = mkdtempSync(join(tmpdir(), 'nova-kms-commands-'));
const identity = join(folder, 'app.json');
const outputs: { readonly source: string; readonly text: string }[] = [];
let cluster: StartedCommand;
let urls: readonly string[];
let keys: AppFile;

beforeAll(async () => {
  cluster = new StartedCommand('npm', ['start', '--silent', '--', '--json', '--tick-seconds', '2', '--identity', identity]);
  await cluster.until('the cluster running', ({ stdout }) => stdout.includes('"event":"running"'));
  const events = cluster.stdout.trim().split('\n').map((line) => JSON.parse(line) as { event: string; rows?: readonly { url: string }[] });
  urls = events.find(({ event }) => event === 'table')!.rows!.map(({ url }) => url);
  keys = JSON.parse(readFileSync(identity, 'utf8')) as AppFile;
});

afterAll(async () => {
  cluster.signal('SIGTERM');
  await cluster.ended;
  await cluster.clear();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs `nova-kms` from the source tree, as a developer with a checkout does. */
function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): StartedCommand {
  return new StartedCommand('node', ['bin/nova-kms.mjs', ...args], environment);
}

async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const command = start(args, environment);
  const ended = await command.ended;
  await command.clear();
  outputs.push({ source: args[0]!, text: args[0] === 'derive' ? ended.stderr : ended.stdout + ended.stderr });
  return ended;
}

const asApp = (...args: readonly string[]): Promise<Ended> => run([...args, '--identity', identity]);

async function shell(line: string): Promise<Ended> {
  const command = new StartedCommand('sh', ['-c', line]);
  const ended = await command.ended;
  await command.clear();
  outputs.push({ source: 'a shell', text: ended.stdout + ended.stderr });
  return ended;
}

async function report(...args: readonly string[]): Promise<ClusterReport & { readonly code: number | null }> {
  const { code, stdout } = await run(['status', '--json', ...args]);
  return { code, ...(JSON.parse(stdout) as ClusterReport) };
}

const printed = (stdout: string): Ended => ({ code: 0, stdout, stderr: '' });
const refused = (code: number, line: RegExp) => ({ code, stdout: '', stderr: expect.stringMatching(new RegExp(`${line.source}\n$`)) });

describe('status', () => {
  test(
    'shows all three nodes when it is given the URL of any one of them',
    async () => {
      const { code, nodes, master_secret_hashes: hashes, ...counts } = await report(urls[1]!);
      expect({ code, ready: counts.nodes_ready, total: counts.nodes_total }).toEqual({ code: 0, ready: 3, total: 3 });
      expect(nodes.map(({ url }) => url).sort()).toEqual([...urls].sort());
      expect(nodes[0]!.url).toBe(urls[1]);
      for (const node of nodes) expect(node).toMatchObject({ state: 'ready', reason: null, members: 3, first_snapshot: 'complete' });
      expect(hashes).toEqual([{ hash: expect.stringMatching(/^0x[0-9a-f]{64}$/), nodes: 3 }]);

      const { stdout, stderr } = await run(['status', urls[0]!]);
      expect(stderr).toBe('');
      expect(stdout).not.toContain('\u001b');
      expect(stdout).toContain('3 of 3 nodes ready\n');
      expect(stdout).toContain(`master secret hash ${hashes[0]!.hash} (3 nodes)\n`);
      for (const url of urls) expect(stdout).toMatch(new RegExp(`^${url} +ready +\\d+ \\S+ ago +(?:in \\d+ s|now) +3 +\\d+ +\\d+ +0$`, 'm'));
    },
  );

  test('compares the stores of the nodes when --verify is given', async () => {
    const { code, stdout } = await run(['status', '--verify', urls[0]!]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\n3 ready nodes hold the same records\n$/);
  });

  test(
    'exits with 1 when no node answers, with 2 when the URL is not valid, and with 3 when some nodes are unreachable',
    async () => {
      expect(await run(['status', NOWHERE])).toEqual({ code: 1, stdout: expect.stringMatching(/unreachable .* connection refused\n$/), stderr: '' });
      expect(await run(['status', 'https://user:hidden@node'])).toEqual(refused(2, /^a node's URL must be http or https, without credentials .*/));
      expect(await run(['status'])).toEqual(refused(2, /^error: missing required argument 'url'/));
      const { code, nodes } = await report(NOWHERE, urls[0]!, '--no-discover');
      expect({ code, states: nodes.map(({ state }) => state) }).toEqual({ code: 3, states: ['unreachable', 'ready'] });
    },
  );
});

describe('an app with the identity that npm start created', () => {
  test('finds its identity in a file that only the owner of the file can read', () => {
    expect(statSync(identity).mode & 0o777).toBe(0o600);
    expect(keys).toMatchObject({ privateKey: expect.stringMatching(/^[0-9a-f]{64}$/), teeScalar: expect.stringMatching(/^[0-9a-f]{96}$/), inEnclave: false });
  });

  test(
    'gets the same derived key from every node, in the requested format',
    async () => {
      const derived = await Promise.all(urls.map((url) => asApp('derive', 'sessions', '--node', url)));
      expect(derived[0]).toEqual(printed(expect.stringMatching(/^[0-9a-f]{64}\n$/) as unknown as string));
      expect(new Set(derived.map(({ stdout }) => stdout)).size).toBe(1);
      const hex = derived[0]!.stdout.trim();
      expect(await asApp('derive', 'sessions', '--format', 'base64')).toEqual(printed(`${Buffer.from(hex, 'hex').toString('base64')}\n`));
      expect(JSON.parse((await asApp('derive', 'sessions', '--json')).stdout)).toMatchObject({ path: 'sessions', key: hex });
      expect((await asApp('derive', 'sessions', '--context', 'x', '--length', '64')).stdout).toMatch(/^[0-9a-f]{128}\n$/);
    },
  );

  test(
    'writes, reads, lists and deletes values on all nodes',
    async () => {
      expect(await asApp('put', 'greeting', 'hello', '--acks', '2', '--node', urls[0]!)).toEqual(printed(''));
      expect(await asApp('get', 'greeting', '--node', urls[2]!)).toEqual(printed('hello'));
      const file = join(folder, 'value');
      writeFileSync(file, Buffer.from([0, 255, 10, 27]));
      expect(JSON.parse((await asApp('put', 'bytes', '--file', file, '--json', '--acks', '1')).stdout)).toMatchObject({ key: 'bytes', acks: expect.any(Number) });
      expect(await asApp('get', 'bytes', '--format', 'hex')).toEqual(printed('00ff0a1b\n'));
      // The first command prints its output long after the second command has begun to read.
      const piped = `node bin/nova-kms.mjs get bytes --identity ${identity} | node bin/nova-kms.mjs put bytes --acks 2 --identity ${identity}`;
      expect(await shell(piped)).toEqual(printed(''));
      expect(await asApp('get', 'bytes', '--format', 'hex', '--node', urls[1]!)).toEqual(printed('00ff0a1b\n'));
      expect(await asApp('list')).toEqual(printed('bytes\ngreeting\n'));
      expect(await asApp('list', '--prefix', 'g')).toEqual(printed('greeting\n'));
      expect(await asApp('list', '--limit', '1')).toMatchObject({ stdout: 'bytes\n', stderr: expect.stringMatching(/^There are more keys: give --after/) });
      expect(JSON.parse((await asApp('list', '--limit', '1', '--json')).stdout)).toMatchObject({ keys: ['bytes'], more: true });
      expect(await asApp('delete', 'greeting', '--acks', '2')).toEqual(printed(''));
      expect(await asApp('get', 'greeting')).toEqual(refused(3, /^there is no such key/));
      expect(await asApp('get', 'greeting', '--node', 'node-1')).toEqual(refused(2, /It must be the URL of a node, or its wallet\./));
      expect(await asApp('delete', 'greeting')).toEqual(refused(3, /^there is no such key/));
    },
  );

  test(
    'can pass its keys in environment variables, and gets a one-line message when something is missing or wrong',
    async () => {
      const cluster_ = { NODE_URL: keys.chain!, NOVA_APP_REGISTRY_ADDRESS: keys.registry!, KMS_APP_ID: String(keys.kmsAppId), IN_ENCLAVE: 'false' };
      const own = { NOVA_KMS_PRIVATE_KEY: keys.privateKey, NOVA_KMS_TEE_SCALAR: keys.teeScalar! };
      expect((await run(['derive', 'sessions'], { ...cluster_, ...own })).stdout).toMatch(/^[0-9a-f]{64}\n$/);
      expect(await run(['derive', 'sessions'], { ...cluster_, ...own, NOVA_KMS_PRIVATE_KEY: `${keys.privateKey}00` })).toEqual(refused(2, /^identity.privateKey is not a secp256k1 key/));
      // This wallet is not registered.
      const stranger = { ...cluster_, NOVA_KMS_PRIVATE_KEY: '37'.repeat(32) };
      expect(await run(['derive', 'sessions'], stranger)).toEqual(refused(1, /^.*403.*: is the app registered with these keys, .*/));
      expect(await run(['derive', 'sessions'])).toEqual(refused(2, /^no identity is given: pass --identity, .*/));
      expect(await asApp('derive', ' ')).toEqual(refused(2, /^path must not be empty, .*/));
      expect(await asApp('derive', 'data_key')).toEqual(refused(1, /^the node refused the request: 400 bad_request: .*/));
      expect(await asApp('put', 'k', 'v', '--file', identity)).toEqual(refused(2, /^a value and --file were both given: give only one/));
    },
  );
});

test('a command that cannot write its output fails, unless the reader has closed the pipe', async () => {
  expect(await shell('node bin/nova-kms.mjs chart > /dev/full')).toEqual(refused(1, /^could not write to standard output \(ENOSPC\)/));
  expect(await shell('node bin/nova-kms.mjs chart --json | head -c 1')).toEqual(printed('{'));
});

test(
  'check-config prints the configuration that a node would read, and exits with 1 when the node would not start',
  async () => {
    const good = await run(['check-config'], { IN_ENCLAVE: 'false', MASTER_SECRET_HEX: keys.privateKey, BIND_ADDR: '127.0.0.1:1' });
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toMatch(/^BIND_ADDR +127\.0\.0\.1:1$/m);
    expect(good.stdout).toMatch(/^MASTER_SECRET_HEX +set$/m);
    const bad = await run(['check-config'], { BIND_ADDR: 'here', KMS_APP_ID: 'many' });
    expect(bad).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^BIND_ADDR must .*\nKMS_APP_ID must .*\n$/) });
  },
);

test(
  'status --watch prints the status again when a node is killed, and status shows why the killed node is unreachable',
  async () => {
    const watch = start(['status', '--watch', '--every', '0.2', urls[1]!]);
    await watch.until('three ready nodes', ({ stdout }) => stdout.includes('3 of 3 nodes ready'));
    const port = new URL(urls[0]!).port;
    process.kill(pidListeningOn(port), 'SIGKILL');
    await watch.until('the dead node', ({ stdout }) => stdout.includes('2 of 3 nodes ready'));
    watch.signal('SIGINT');
    const { code, stdout, stderr } = await watch.ended;
    await watch.clear();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toContain('\u001b');
    // Each printed status begins with the time. Apart from the time, no status equals the one before it.
    const blocks = stdout.split(/^(?=\d{4}-\d\d-\d\d )/m).map((block) => block.replace(/^.*\n/, ''));
    for (const [index, block] of blocks.entries()) expect(block).not.toBe(blocks[index - 1]);

    await waitUntil({ what: 'two ready nodes in the report', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
      const { code: seen, nodes } = await report(urls[2]!);
      expect(seen).toBe(3);
      const dead = nodes.find(({ url }) => url === urls[0])!;
      expect([dead.state, dead.reason]).toEqual(['unreachable', 'connection refused']);
      return nodes.filter(({ state }) => state === 'ready').length === 2 ? null : 'a second node is not ready';
    });
    // The client uses a node that is still running.
    expect((await asApp('derive', 'sessions')).stdout).toMatch(/^[0-9a-f]{64}\n$/);
  },
);

test('no output contains a private key of the app', () => {
  const secrets = [keys.privateKey, keys.teeScalar!].map((hex, index) => ({ name: `key ${index}`, bytes: Buffer.from(hex, 'hex') }));
  assertNoSecrets(secrets, [...outputs, { source: 'npm start', text: cluster.stdout + cluster.stderr }]);
});

/** Finds the process of the node that listens on this port. The port is in the environment of that process. */
function pidListeningOn(port: string): number {
  const nodes = cluster.processes().filter(({ command }) => command.includes('nova-kms.ts node '));
  const found = nodes.find(({ pid }) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`BIND_ADDR=127.0.0.1:${port}`));
  if (found === undefined) throw new Error(`no node listens on ${port}`);
  return found.pid;
}
