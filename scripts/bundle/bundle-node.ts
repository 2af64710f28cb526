/**
 * The node command as one file, for the package and the image: Node loads one module in place of hundreds, and what a node never
 * calls is not there. What only a visualiser needs lies beside it and is loaded when it is asked for. Its source map names the
 * sources, so that the frames in a log do.
 */
import { build as bundle, stop, type BuildOptions, type Plugin } from 'esbuild';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** The file that Node runs, in the folder of the bundle. */
export const NODE_PROGRAM = 'node-program.js';

/**
 * Not bundled, but found by name when it runs: a native addon with its binaries, what is read as a file, what only a checkout
 * has.
 */
export const EXTERNAL = ['secp256k1', 'elkjs', 'esbuild'];

/** A module without exports. */
const NO_EXPORTS = 'export {};';
/** Classes that do nothing, under any name: some are made or extended while their package is loaded. */
const IDLE_CLASSES = 'module.exports = new Proxy({}, { get: () => class {} });';

interface UnusedPart {
  readonly path: RegExp;
  /** Why nothing misses it. */
  readonly why: string;
  readonly instead: string;
}

/** Parts of packages that a node never calls, and that bundling by itself does not leave out. */
const UNUSED: readonly UnusedPart[] = [
  { path: /\/zod\/v4\/locales\/index\.js$/, why: 'English, the default, is imported by itself', instead: NO_EXPORTS },
  { path: /\/body-parser\/index\.js$/, why: 'http/body.ts reads bodies; express only hands these parsers on', instead: IDLE_CLASSES },
  { path: /\/undici\/lib\/milo\/[^/]+\.js$/, why: 'a parser of HTTP on trial, which is off', instead: IDLE_CLASSES },
  {
    path: /\/undici\/lib\/(?:mock|cache|web)\/.+\.js$/,
    why: 'undici loads them for its list of exports: for tests, for caches, and fetch with all that belongs to it; bodies are texts',
    instead: IDLE_CLASSES,
  },
];

/** The media types that a node gives and reads, of the thousands that the table of Express has. */
const MEDIA_TYPES = ['application/json', 'application/octet-stream', 'application/x-www-form-urlencoded', 'multipart/form-data', 'text/html', 'text/plain'];

const leaveOut: Plugin = {
  name: 'leave-out',
  setup(build) {
    for (const { path, instead } of UNUSED) build.onLoad({ filter: path }, () => ({ contents: instead, loader: 'js' }));
    build.onLoad({ filter: /\/mime-db\/db\.json$/ }, ({ path }) => {
      const all = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
      return { contents: JSON.stringify(Object.fromEntries(MEDIA_TYPES.map((type) => [type, all[type]]))), loader: 'json' };
    });
  },
};

/**
 * Modules of Node come by `require`: `import` reads every export of one, and some of them load a second HTTP client, web streams
 * and more, which then stay in memory.
 */
const requireBuiltins: Plugin = {
  name: 'require-builtins',
  setup(build) {
    build.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'builtin', sideEffects: false } : null,
    );
    build.onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({ contents: `module.exports = require(${JSON.stringify(path)});`, loader: 'js' }));
  },
};

/** What is common to all that is bundled for Node. */
const FOR_NODE = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: [...EXTERNAL],
  // Names of sources in a map then do not depend on where node_modules lies.
  preserveSymlinks: true,
  plugins: [leaveOut, requireBuiltins],
  // Names stay: they are in frames, and classes tell themselves by theirs.
  minifyWhitespace: true,
  minifySyntax: true,
  // V8 keeps a source in half the memory when it is ASCII.
  charset: 'ascii',
  legalComments: 'none',
  logLevel: 'warning',
  logOverride: { 'import-is-undefined': 'silent' },
  // CommonJS packages ask for Node's own modules.
  banner: { js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);" },
} as const satisfies BuildOptions;

/** @param folder where it goes; two levels below the folder of package.json, as `src/cli` is */
export async function bundleNode(folder: string): Promise<void> {
  await bundle({
    ...FOR_NODE,
    entryPoints: ['src/cli/node-program.ts'],
    outdir: folder,
    splitting: true,
    chunkNames: 'node-[name]-[hash]',
    sourcemap: 'linked',
    sourcesContent: false,
  });
  // Its process would stay otherwise.
  await stop();
}

/** The thread of the visualiser, for an image, which has no modules. @param folder where it goes, beside that of the bundle */
export async function bundleWorker(folder: string): Promise<void> {
  await bundle({ ...FOR_NODE, entryPoints: ['src/visualizer/layout-worker.ts'], outdir: folder });
  await stop();
}
