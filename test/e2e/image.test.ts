/**
 * The image's root file system, built as `npm run image` builds it. The build is reproducible: a build in a different folder on a different
 * day gives the same bytes. The image is small and has only what a node needs. Its node runs as on the platform: with only the files of the
 * image, with the Dockerfile's command and environment, in strict mode, as root and as an ordinary user. The node writes no file, and can
 * start again after it has been killed.
 *
 * If the test runs as root, it uses chroot. Otherwise the dynamic linker of the image runs the node with the image's libraries, and the
 * test says so. Where buildah and podman are installed, the last stage of the Dockerfile is built from this tree and also runs as a
 * read-only container.
 *
 * A control group limits the node to the memory of a small enclave. If no control group can be created, the test says so and checks the
 * peak memory of the node instead. That check is less exact: without the limit, a node may use more memory than it needs.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { peakResidentMiB } from '../../bench/process-figures.ts';
import { CONFIRMATIONS } from '../../src/dev/cluster.ts';
import type { ClusterNode } from '../../src/dev/cluster-node.ts';
import { KMS_APP_ID } from '../../src/dev/dev-chain.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { readDockerfile } from '../support/dockerfile.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { startEnclaveCluster, type EnclaveCluster } from './support/enclave-cluster.ts';
import { MemoryCap } from './support/memory-cap.ts';
import { createRawApp, RawHttp, type RawApp } from './support/raw-caller.ts';
import { StartedCommand } from './support/started-command.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** The files of a checkout that a build reads. */
const SOURCES = ['launch', 'scripts', 'src', 'package.json', 'package-lock.json'];
const MAX_BYTES = 150_000_000;
/** The memory of a small enclave. MiB. */
const MAX_RESIDENT_MIB = 256;
const BYTES_PER_MIB = 1_024 * 1_024;
/** The load: concurrent callers, requests per caller, and the size of the value that every fourth request writes. */
const CALLERS = 16;
const REQUESTS = 20;
const VALUE_BYTES = 48 * 1_024;
const APP_ID = 1_001;
/** What a build prints about the image. */
interface Built {
  readonly tar: string;
  readonly bytes: number;
  readonly sha256: string;
}

const folder = mkdtempSync(join(tmpdir(), 'image-'));
const root = join(folder, 'root');
let built: Built;

async function build(checkout: string, environment: NodeJS.ProcessEnv, out: string): Promise<Built> {
  const command = new StartedCommand(process.execPath, [join(checkout, 'scripts', 'image.ts'), '--out', out], environment, checkout);
  const { code, stdout, stderr } = await command.ended;
  await command.clear();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Built;
}

beforeAll(async () => {
  built = await build(ROOT, { SOURCE_DATE_EPOCH: '1700000000' }, join(folder, 'first'));
  mkdirSync(root);
  execFileSync('tar', ['-xpf', built.tar, '-C', root]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the root file system', () => {
  test('has the same bytes when it is built in a different folder, on a different day, with a different umask and with a preloaded library', async () => {
    const checkout = join(folder, 'elsewhere', 'checkout');
    mkdirSync(checkout, { recursive: true });
    // The copies have today's date, not the dates of the originals.
    for (const name of SOURCES) cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
    const before = process.umask(0o077);
    // `LD_PRELOAD` names a part of the C library that Node does not need. The dynamic linker loads it into every process of the build.
    const again = await build(checkout, { SOURCE_DATE_EPOCH: '1700000000', TZ: 'Asia/Tokyo', LANG: 'C', LD_PRELOAD: 'libanl.so.1' }, join(folder, 'second')).finally(() => process.umask(before));
    expect(again.sha256).toBe(built.sha256);
    process.stdout.write(`image: ${built.bytes} bytes, sha256 ${built.sha256}\n`);
  });

  test('is small, has no shell, no npm, no sources, no setuid file, and no file that anyone but its owner can write', () => {
    expect(built.bytes).toBeLessThanOrEqual(MAX_BYTES);
    const files = filesOf(root);
    expect(files.filter(({ path }) => /^(?:bin|sbin|usr)\//.test(path)).map(({ path }) => path)).toEqual(['bin/node']);
    expect(files.filter(({ path }) => /(?:^|\/)(?:sh|bash|busybox|npm|npx)$|\.ts$|\.test\.|emulator/.test(path))).toEqual([]);
    expect(files.filter(({ mode }) => (mode & 0o6022) !== 0)).toEqual([]);
    for (const each of files) expect(each).toMatchObject({ seconds: 1_700_000_000 });
  });

  test('has the Node binary that npm installed, byte for byte', () => {
    const brought = join(ROOT, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
    expect(readFileSync(join(root, 'bin', 'node')).equals(readFileSync(brought))).toBe(true);
  });
});

test('the SBOM lists the Node of the image, and no optional package that is not in the image', async () => {
  const command = new StartedCommand(process.execPath, [join(ROOT, 'scripts', 'sbom.ts')]);
  const { stdout } = await command.ended;
  await command.clear();
  const text = readFileSync(stdout.trimEnd(), 'utf8');
  const { components } = JSON.parse(text) as { readonly components: readonly { readonly name: string; readonly scope: string }[] };
  expect(components.map(({ name }) => name)).toEqual(expect.arrayContaining(['secp256k1', 'node-gyp-build', 'elkjs', 'undici']));
  expect(components.filter(({ scope }) => scope === 'optional').map(({ name }) => name)).toEqual([`node-linux-${process.arch}`]);
  expect(text).not.toContain('anvil');
});

describe('the node in the image', () => {
  let platform: EnclaveCluster;
  let node: ClusterNode;
  let running: ChildProcess | null = null;
  let output = '';
  let app: RawApp;
  /** Null if no control group can be created. */
  const cap = MemoryCap.create(MAX_RESIDENT_MIB * BYTES_PER_MIB);
  if (cap === null) process.stdout.write(`no memory control group can be created here, so the node is not limited to ${MAX_RESIDENT_MIB} MiB, and the test checks its peak memory instead\n`);

  beforeAll(async () => {
    app = await createRawApp('app', { http: new RawHttp() });
    const { wallet, teePubkey } = app.caller;
    platform = await startEnclaveCluster({
      nodes: 2,
      tickSeconds: 2,
      blockTimeSeconds: 0.25,
      plans: [{}, { start: false }],
      prepare: async ({ chain }) => {
        await chain.createApp(APP_ID);
        await chain.register({ appId: APP_ID, wallet, teePubkey, url: 'https://app.test' });
      },
    });
    node = platform.cluster.node(2);
    copyFileSync(platform.certificate.file, join(root, 'certificate.pem'));
  });

  afterAll(async () => {
    if (running?.exitCode === null && running.signalCode === null) await ended('SIGKILL');
    cap?.remove();
    await platform.close();
  });

  /** Variables that override the environment of the image. */
  function environmentOf(certificate: string): Readonly<Record<string, string>> {
    const { chain } = platform.cluster;
    return {
      BIND_ADDR: `0.0.0.0:${node.port}`,
      NODE_URL: chain.url,
      ODYN_URL: node.enclave.url,
      CHAIN_ID: '31337',
      NOVA_APP_REGISTRY_ADDRESS: chain.novaAppRegistry,
      KMS_REGISTRY_ADDRESS: chain.kmsRegistry,
      KMS_APP_ID: String(KMS_APP_ID),
      KMS_NODE_TICK_SECONDS: '2',
      CHAIN_CONFIRMATIONS: String(CONFIRMATIONS),
      CHAIN_MAX_AGE_SECONDS: '0',
      RATE_LIMIT_PER_MINUTE: '0',
      HTTP_PROXY: platform.proxy.url,
      HTTPS_PROXY: platform.proxy.url,
      NO_PROXY: 'localhost,127.0.0.1',
      NODE_EXTRA_CA_CERTS: certificate,
    };
  }

  function follow(child: ChildProcess): void {
    running = child;
    output = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }

  /** @param user id of the user that runs the node; used only when the test runs as root */
  function start(user: number): void {
    const isRoot = process.getuid!() === 0;
    const { stages, entryPoint } = readDockerfile();
    const [program, ...args] = entryPoint as [string, ...string[]];
    const environment = { ...stages.at(-1)!.environment, ...environmentOf(isRoot ? '/certificate.pem' : join(root, 'certificate.pem')) };
    const chroot = ['chroot', `--userspec=${user}:${user}`, root, program, ...args] as const;
    const [first, ...rest] = cap === null ? chroot : cap.around(chroot);
    const inRoot = (path: string): string => join(root, path);
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    if (!isRoot) process.stdout.write("not root: the dynamic linker in the image runs the node, without chroot\n");
    follow(
      isRoot
        ? spawn(first, rest, { env: { PATH: process.env['PATH'], ...environment }, stdio: [...stdio] })
        : spawn(linkerOf(root), ['--library-path', libraryPathOf(root), inRoot(program), ...args.map((arg) => (arg.startsWith('/') ? inRoot(arg) : arg))], { env: environment, stdio: [...stdio] }),
    );
  }

  async function untilReady(): Promise<void> {
    await waitUntil({ what: 'the node in the image becoming ready', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 50 }, async () => {
      const { exitCode, signalCode } = running!;
      if (exitCode !== null || signalCode !== null) throw new Error(`the node ended with ${signalCode ?? exitCode}: ${output.slice(-600)}`);
      const readiness = (await node.tryStatus())?.readiness;
      return readiness?.state === 'ready' ? null : (readiness?.reason ?? 'it does not answer');
    });
  }

  async function ended(signal: NodeJS.Signals): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    const child = running!;
    const end = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>();
    child.once('close', (code: number | null, by: NodeJS.Signals | null) => end.resolve({ code, signal: by }));
    child.kill(signal);
    return end.promise;
  }

  /** Derives keys and writes large values. */
  async function load(): Promise<void> {
    const value = Buffer.alloc(VALUE_BYTES, 1).toString('base64');
    const call = async (_: unknown, caller: number): Promise<void> => {
      for (let request = 0; request < REQUESTS; request += 1) {
        const writes = request % 4 === 0;
        const answer = await (writes
          ? app.caller.send(node, 'PUT', '/kms/data', { key: `${caller}-${request}`, value })
          : app.caller.send(node, 'POST', '/kms/derive', { path: `${caller}-${request}` }));
        expect(answer.status).toBe(200);
      }
    };
    try {
      await Promise.all(Array.from({ length: CALLERS }, call));
    } catch (error) {
      throw new Error(`the load failed; number of processes that the kernel killed for using too much memory: ${cap?.kills ?? 0}`, { cause: error });
    }
  }

  test(`becomes ready as root, is killed, becomes ready again as an ordinary user, answers many requests within ${MAX_RESIDENT_MIB} MiB, shuts down cleanly, and writes no file`, async () => {
    const before = filesOf(root);
    start(0);
    await untilReady();
    expect(output).not.toContain('no native secp256k1');
    expect(await ended('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
    start(65_534);
    await untilReady();
    await load();
    if (cap === null) expect(peakResidentMiB(running!.pid!)).toBeLessThan(MAX_RESIDENT_MIB);
    else expect(cap.kills).toBe(0);
    expect(await ended('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(filesOf(root)).toEqual(before);
  });

  if (process.getuid!() === 0 && isInstalled('buildah', 'podman', 'runc')) {
    test('becomes ready as a read-only container, and shuts down cleanly', async () => {
      const containers = new Containers();
      containers.build();
      follow(containers.run(environmentOf('/tmp/certificate.pem'), platform.certificate.file));
      await untilReady();
      expect(await ended('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(output).toContain('"message":"stopped"');
    });
  } else process.stdout.write('buildah, podman or runc is missing, or the user is not root, so the image is not tested as a container\n');
});

/**
 * Builds and runs the last stage of the Dockerfile, with the file tree that the first stage would produce, in temporary image storage.
 */
class Containers {
  readonly #storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'runroot'), '--storage-driver', 'vfs'];

  build(): void {
    const { text } = readDockerfile();
    const lastStage = text.slice(text.lastIndexOf('FROM ')).replace('--from=build /build/artifacts/image/root/', 'root/');
    writeFileSync(join(folder, 'Dockerfile'), lastStage);
    execFileSync('buildah', [...this.#storage, 'bud', '--isolation=chroot', '--timestamp', '0', '-t', 'nova-kms-node', '-f', join(folder, 'Dockerfile'), join(folder, 'first')], { stdio: 'pipe' });
  }

  /** Runs the container read-only, with the limits of a small enclave. */
  run(environment: Readonly<Record<string, string>>, certificate: string): ChildProcess {
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024', '--memory', `${MAX_RESIDENT_MIB}m`];
    const variables = Object.entries(environment).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const mounts = ['--volume', `${certificate}:/tmp/certificate.pem:ro`];
    const args = ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', 'run', '--rm', '--network', 'host', '--read-only', ...limits, ...mounts, ...variables, 'nova-kms-node'];
    return spawn('podman', [...this.#storage, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }
}

function isInstalled(...names: readonly string[]): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return names.every((name) => folders.some((each) => existsSync(join(each, name))));
}

function filesOf(below: string) {
  return readdirSync(below, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mode, size, mtimeMs } = statSync(path);
      return { path: relative(below, path), mode: mode & 0o7777, size, seconds: Math.floor(mtimeMs / 1_000) };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function linkerOf(image: string): string {
  const found = ['lib64', 'lib'].map((name) => join(image, name)).filter((path) => existsSync(path)).flatMap((path) => readdirSync(path).map((name) => join(path, name)));
  return found.find((path) => /\/ld-linux-[^/]+$/.test(path))!;
}

function libraryPathOf(image: string): string {
  return [...new Set(filesOf(image).filter(({ path }) => /\.so(?:\.|$)/.test(path)).map(({ path }) => join(image, path, '..')))].join(':');
}
