/**
 * The contents of the image's root file system: the bundled node command, the Node of the lockfile exactly as published, the shared
 * libraries that Node and the native addon load, and two files for name lookup. There is no shell and no npm. There are no certificates,
 * because Node contains its own certificates (tls.rootCertificates).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { runtime } from '../../launch/runtime.mjs';
import { bundlePage } from '../../src/visualizer/bundle-page.ts';
import { bundleNode, bundleWorker } from '../bundle/bundle-node.ts';
import type { TreeFile } from './tar.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** The folder of the node in the image. */
const HOME = 'opt/nova-kms';
const PROGRAM_MODE = 0o755;
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** For each package that is not bundled, the files that a node needs on Linux with the GNU C library. */
const PACKAGE_FILES: readonly (readonly [name: string, files: RegExp])[] = [
  ['secp256k1', new RegExp(`^(?:package\\.json|index\\.js|bindings\\.js|lib/(?:index|uint8array)\\.js|prebuilds/linux-${process.arch}/.*\\.glibc\\.node)$`)],
  ['node-gyp-build', /^(?:package\.json|index\.js|node-gyp-build\.js)$/],
  ['elkjs', /^(?:package\.json|lib\/elk\.bundled\.js)$/],
];

/** Without this file, the node would ask a DNS server for every name, even for `localhost`. */
const HOSTS = '127.0.0.1 localhost\n::1 localhost\n';
const NAME_ORDER = 'hosts: files dns\n';
/** Empty folders in which a container engine mounts its own folders. */
const MOUNT_POINTS = ['dev', 'proc', 'sys', 'tmp'];

/** @throws Error on a system other than Linux */
export async function imageTree(): Promise<readonly TreeFile[]> {
  if (process.platform !== 'linux') throw new Error('an image can be built only on Linux, because it contains libraries of the machine that builds it');
  const node = runtime();
  const files: TreeFile[] = [
    { path: 'bin/node', mode: PROGRAM_MODE, bytes: readFileSync(node) },
    ...sharedLibraries(node).map((path) => ({ path: path.slice(1), mode: PROGRAM_MODE, bytes: readFileSync(path) })),
    text('etc/hosts', HOSTS),
    text('etc/nsswitch.conf', NAME_ORDER),
    text(`${HOME}/package.json`, manifest()),
    ...(await program()),
    ...PACKAGE_FILES.flatMap(([name, wanted]) => packageFiles(name, wanted)),
  ];
  return [...folders([...files.map(({ path }) => path), ...MOUNT_POINTS.map((path) => `${path}/.`)]), ...files];
}

function text(path: string, content: string): TreeFile {
  return { path, mode: FILE_MODE, bytes: Buffer.from(content) };
}

function manifest(): string {
  const { name, version, license } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Readonly<Record<string, string>>;
  return `${JSON.stringify({ name, version, license, type: 'module' })}\n`;
}

/** The bundle in the form that `npm run build` creates, with its visualiser. */
async function program(): Promise<readonly TreeFile[]> {
  // Like `dist`, this folder is directly below the root, because source maps contain relative paths to the sources.
  const folder = mkdtempSync(join(ROOT, '.image-'));
  try {
    const bundle = join(folder, 'bundle');
    await bundleNode(bundle);
    await bundleWorker(join(folder, 'visualizer'));
    const page = join(ROOT, 'src', 'visualizer', 'page');
    return [
      ...filesBelow(folder).map((path) => ({ path: `${HOME}/dist/${path}`, mode: FILE_MODE, bytes: readFileSync(join(folder, path)) })),
      ...['index.html', 'app.css', 'icon.svg'].map((name) => ({ path: `${HOME}/dist/visualizer/page/${name}`, mode: FILE_MODE, bytes: readFileSync(join(page, name)) })),
      { path: `${HOME}/dist/visualizer/page/app.js`, mode: FILE_MODE, bytes: await bundlePage(join(page, 'main.ts')) },
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function packageFiles(name: string, wanted: RegExp): readonly TreeFile[] {
  const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  return filesBelow(folder)
    .filter((path) => wanted.test(path))
    .map((path) => ({ path: `${HOME}/node_modules/${name}/${path}`, mode: FILE_MODE, bytes: readFileSync(join(folder, path)) }));
}

/**
 * The libraries that the dynamic linker loads for Node and for the native addon, as Node itself reports them. Node gets an empty
 * environment, because `LD_PRELOAD` or `NODE_OPTIONS` could make it load more libraries.
 */
function sharedLibraries(node: string): readonly string[] {
  const script = "require('secp256k1/bindings');process.stdout.write(JSON.stringify(process.report.getReport().sharedObjects))";
  const loaded = JSON.parse(execFileSync(node, ['-e', script], { cwd: ROOT, env: {}, encoding: 'utf8' })) as readonly string[];
  return loaded.filter((path) => path.startsWith('/') && !path.endsWith('.node'));
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function folders(paths: readonly string[]): readonly TreeFile[] {
  const found = new Set(paths.flatMap((path) => path.split('/').slice(0, -1).map((_, place, parts) => parts.slice(0, place + 1).join('/'))));
  return [...found].map((path) => ({ path, mode: path === 'tmp' ? 0o1777 : FOLDER_MODE, bytes: null }));
}
