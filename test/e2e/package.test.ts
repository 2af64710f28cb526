/** The package that `npm pack` makes has the license, a client, a command line and a node. To run, it needs only its dependencies. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { LocalIdentity } from '../../src/client/local-identity.ts';
import { freePort } from '../../src/dev/listening-ports.ts';
import type { TeePubkey, Wallet } from '../../src/domain/ids.ts';
import { systemClock, systemRandom } from '../../src/system/system.ts';
import { authorizedRecord, memberOf, startNodeOverHttp } from '../support/node-over-http.ts';
import { StartedCommand, type Ended } from './support/started-command.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const folder = mkdtempSync(join(tmpdir(), 'package-'));
const consumer = join(folder, 'consumer');
const installed = join(consumer, 'node_modules', 'nova-kms-node');
const stale = join(ROOT, 'dist', 'left-over.js');

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
}

beforeAll(async () => {
  mkdirSync(dirname(stale), { recursive: true });
  writeFileSync(stale, '');
  const packing = new StartedCommand('npm', ['pack', '--silent', '--pack-destination', folder]);
  const { code, stderr } = await packing.ended;
  await packing.clear();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  mkdirSync(installed, { recursive: true });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  execFileSync('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components=1']);
  // Installs the package as npm does for a user: the dependencies, this platform's Node and the command, without development packages.
  const { dependencies, bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
  for (const name of [...Object.keys(dependencies), `node-${process.platform}-${process.arch}`]) {
    mkdirSync(dirname(join(consumer, 'node_modules', name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(consumer, 'node_modules', name));
  }
  mkdirSync(join(consumer, 'node_modules', '.bin'));
  for (const [name, file] of Object.entries(bin)) symlinkSync(join('..', 'nova-kms-node', file), join(consumer, 'node_modules', '.bin', name));
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ type: 'module' }));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package', () => {
  test('has the license and the built client, and no development files, no tests and no files of an earlier build', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'dist/client/index.js', 'dist/client/index.d.ts']));
    const page = ['index.html', 'app.css', 'app.js', 'icon.svg'].map((file) => `dist/visualizer/page/${file}`);
    expect(files.filter((file) => file.startsWith('dist/visualizer/page/')).sort()).toEqual(page.sort());
    expect(files.filter((file) => /^(?:src|test|scripts|contracts)\b|^dist\/dev\b|^dist\/cli\/dev|left-over/.test(file))).toEqual([]);
    expect(existsSync(stale)).toBe(false);
    const license = readFileSync(join(installed, 'LICENSE'), 'utf8');
    expect(license).toMatch(/^\s*Apache License\s+Version 2\.0, January 2004/);
    expect(license).toContain('END OF TERMS AND CONDITIONS');
  });

  test('has types that compile under strict TypeScript options', () => {
    writeFileSync(
      join(consumer, 'types.ts'),
      `import { createKmsClient, KmsClientError, type DerivedKey, type KmsClientOptions } from 'nova-kms-node/client';
       export async function use(options: KmsClientOptions): Promise<DerivedKey | string> {
         try { return await createKmsClient(options).derive({ path: 'p' }); }
         catch (error) { return error instanceof KmsClientError ? error.code : 'other'; }
       }
       // @ts-expect-error a path is text
       void createKmsClient({} as KmsClientOptions).derive({ path: 1 });`,
    );
    const compiler = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc');
    const settings = '--noEmit --strict --skipLibCheck --target es2024 --module nodenext --moduleResolution nodenext --types'.split(' ');
    const types = ['node', '--typeRoots', join(ROOT, 'node_modules', '@types')];
    expect(execFileSync(process.execPath, [compiler, ...settings, ...types, 'types.ts'], { cwd: consumer, encoding: 'utf8' })).toBe('');
  });

  test('exports a client that gets a derived key from a node', async () => {
    const keys = { privateKey: '11'.repeat(32), teeScalar: '22'.repeat(48) };
    const identity = new LocalIdentity(keys, { random: systemRandom });
    const app = { wallet: await identity.address(), teePubkey: await identity.publicKey() };
    const node = await startNodeOverHttp({
      nowMs: systemClock.nowMs(),
      inEnclave: false,
      lookup: async (wallet) => authorizedRecord(1_001n, wallet, app.teePubkey),
    });
    const answer = await runConsumer(node.url, node.identity, keys);
    await node.close();
    expect(answer).toEqual({ exports: ['KmsClientError', 'createKmsClient'], app, appId: 1_001, bytes: 32, by: node.identity.wallet });
  });
});

describe('the command line of the package', () => {
  test('prints its help and draws the state machine', async () => {
    const help = await nova('--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/^Usage: nova-kms /);
    const chart = await nova('chart');
    expect(chart).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(chart.stdout);
  });

  test('shows the status of a node, and fails when no node runs at the URL', async () => {
    const node = await startNodeOverHttp();
    const shown = await nova('status', '--no-discover', node.url);
    await node.close();
    expect(shown).toEqual({ code: 0, stdout: expect.stringContaining('1 of 1 node ready'), stderr: '' });
    expect(await nova('status', node.url)).toEqual({ code: 1, stdout: expect.stringContaining('connection refused'), stderr: '' });
  });

  test('runs simulations', async () => {
    expect(await nova('sim', '--seeds', '1..2', '--nodes', '2', '--hours', '0.01', '--faults', 'none')).toEqual({
      code: 0,
      stdout: expect.stringContaining('2 runs, 0 failed'),
      stderr: expect.any(String),
    });
  });

  test('prints the help of the enclave API emulator', async () => {
    const { code, stdout } = await nova('emulator', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('--generation <name>');
  });

  test('reports that a command needs a checkout, or that a command does not exist', async () => {
    expect(await nova('dev')).toEqual({ code: 1, stdout: '', stderr: 'dev works only in the source tree: run it in a checkout\n' });
    expect(await nova('deriv')).toEqual({ code: 2, stdout: '', stderr: "error: unknown command 'deriv' (Did you mean derive?)\n" });
  });

  test("exits with code 1 when the system's Node is too old and no newer Node was installed with the package", async () => {
    const change = "Object.defineProperty(process,'version',{value:'v20.19.5'});Object.defineProperty(process,'arch',{value:'riscv64'})";
    const old = new StartedCommand(process.execPath, ['--import', `data:text/javascript,${change}`, join(installed, 'bin', 'nova-kms.mjs'), '--help']);
    const { code, stdout, stderr } = await old.ended;
    await old.clear();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^Node 24 or newer is needed, and none is installed for linux-riscv64\. This command runs on Node v20\.19\.5\. Install Node 24 and run the command again\.\n$/);
  });
});

describe('the node in the package', () => {
  /** Starts a node that listens but can reach neither a chain nor an enclave. */
  async function startNode(environment: NodeJS.ProcessEnv = {}): Promise<StartedCommand> {
    const lonely = { BIND_ADDR: `127.0.0.1:${await freePort()}`, NODE_URL: 'http://127.0.0.1:9', ODYN_URL: 'http://127.0.0.1:9', IN_ENCLAVE: 'false' };
    return new StartedCommand(process.execPath, [join(installed, 'bin', 'nova-kms.mjs'), 'node'], { ...lonely, ...environment });
  }

  test('is one file, runs with options that limit its memory, and shuts down cleanly', async () => {
    const command = await startNode({ MAX_STORE_BYTES: String(100 * 1024 * 1024), NODE_OPTIONS: '' });
    await command.until('the node listening', ({ stderr }) => stderr.includes('"message":"listening"'));
    const { pid, command: line } = command.processOf('dist/bundle/node-program.js node');
    expect(line).toMatch(/--disable-sigusr1 --max-semi-space-size=8 --expose-gc --v8-pool-size=1 --max-old-space-size=612 /);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')).toEqual(expect.arrayContaining(['MALLOC_ARENA_MAX=1']));
    command.signal('SIGTERM');
    const { code, stderr } = await command.ended;
    await command.clear();
    expect(code).toBe(0);
    expect(stderr).not.toContain('no native secp256k1');
  });

  test('logs an error with a stack that refers to lines of the source files', async () => {
    // Makes the state machine fail: the call that draws the random jitter of an early tick throws an error.
    const broken = `import c from'node:crypto';const r=c.randomBytes;c.randomBytes=(n,...more)=>{if(n===4)throw new RangeError('none left');return r(n,...more)}`;
    const command = await startNode({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(broken)}` });
    const { code, stderr } = await command.ended;
    await command.clear();
    expect(code).toBe(1);
    const { stack } = stderr.split('\n').filter((text) => text.includes('"the node stops"')).map((text) => JSON.parse(text) as { readonly stack: string })[0]!;
    const frames = stack.split(' < ');
    expect(frames).toEqual(expect.arrayContaining([expect.stringMatching(/^\S+ src\/machines\/[\w-]+\.ts:\d+$/), expect.stringMatching(/^\S+ node_modules\/xstate\//)]));
    for (const [, file, line] of frames.join('\n').matchAll(/ (src\/\S+):(\d+)$/gm)) {
      expect(readFileSync(join(ROOT, file!), 'utf8').split('\n')[Number(line) - 1]).toMatch(/\w\(/);
    }
  });

  test('serves the page of the visualiser when VISUALIZER_PORT is set', async () => {
    const visualizerPort = String(await freePort());
    const command = await startNode({ VISUALIZER_PORT: visualizerPort });
    await command.until('its visualiser listening', ({ stderr }) => stderr.includes('visualiser listening'));
    const page = await fetch(`http://127.0.0.1:${visualizerPort}/app.js`);
    expect({ status: page.status, type: page.headers.get('content-type') }).toEqual({ status: 200, type: 'text/javascript; charset=utf-8' });
    const chart = await fetch(`http://127.0.0.1:${visualizerPort}/trace`);
    expect(chart.status).toBe(200);
    command.signal('SIGTERM');
    expect((await command.ended).code).toBe(0);
    await command.clear();
  });
});

/** Runs `npx nova-kms` as a user of the installed package. */
async function nova(...args: readonly string[]): Promise<Ended> {
  const command = new StartedCommand('npm', ['exec', '--prefix', consumer, '--offline', '--', 'nova-kms', ...args]);
  const ended = await command.ended;
  await command.clear();
  return ended;
}

/** Imports the package as an app does, in a separate process, and asks the node for a key. */
async function runConsumer(
  url: string,
  node: { readonly wallet: Wallet; readonly teePubkey: TeePubkey },
  keys: object,
): Promise<unknown> {
  const member = memberOf(node.wallet, node.teePubkey, url);
  const plain = JSON.stringify({ wallet: member.wallet, teePubkey: member.teePubkey, url: member.url });
  const script = join(consumer, 'app.js');
  writeFileSync(
    script,
    `import * as client from 'nova-kms-node/client';
     const kms = client.createKmsClient({
       registry: '0x' + '00'.repeat(20),
       chain: { source: { readMembership: async () => ({ members: [${plain}] }) } },
       identity: ${JSON.stringify(keys)},
       inEnclave: false,
     });
     const { key, appId, node } = await kms.derive({ path: 'package' });
     console.log(JSON.stringify({ exports: Object.keys(client).sort(), app: await kms.identity(), appId, bytes: key.length, by: node.wallet }));
     await kms.close();`,
  );
  const app = new StartedCommand(process.execPath, [script]);
  const { code, stdout, stderr } = await app.ended;
  await app.clear();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}
