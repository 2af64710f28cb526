/**
 * Bundles the node command into one file for the package and the image. Node then loads one module instead of hundreds, and the bundle
 * leaves out code that a node never calls. Code that only a visualiser needs is in separate files that load on demand. A source map
 * contains the source file of each line, so that stack frames in a log show the sources.
 */
import { build as bundle, stop, type BuildOptions, type Plugin } from 'esbuild';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** The file that Node runs, in the folder of the bundle. */
export const NODE_PROGRAM = 'node-program.js';

/**
 * Packages that are not bundled. The node finds them by name at run time: a native addon with its binaries, a package that is read as a
 * file, and a package that only a checkout has.
 */
export const EXTERNAL = ['secp256k1', 'elkjs', 'esbuild'];

/** A module without exports. */
const NO_EXPORTS = 'export {};';
/** A module in which every export is an empty class. While a package loads, it may construct or extend some of these classes. */
const IDLE_CLASSES = 'module.exports = new Proxy({}, { get: () => class {} });';

interface UnusedPart {
  readonly path: RegExp;
  /** The reason why a node does not need this part. */
  readonly why: string;
  readonly instead: string;
}

/** Parts of packages that a node never calls. Without this list, esbuild would include them. */
const UNUSED: readonly UnusedPart[] = [
  { path: /\/zod\/v4\/locales\/index\.js$/, why: 'zod imports English, the default, separately', instead: NO_EXPORTS },
  { path: /\/body-parser\/index\.js$/, why: 'http/body.ts reads bodies; express only re-exports these parsers', instead: IDLE_CLASSES },
  { path: /\/undici\/lib\/milo\/[^/]+\.js$/, why: 'an experimental HTTP parser, which is off', instead: IDLE_CLASSES },
  {
    path: /\/undici\/lib\/(?:mock|cache|web)\/.+\.js$/,
    why: 'mocks, caches and fetch, which undici loads only to export them; our bodies are strings',
    instead: IDLE_CLASSES,
  },
];

/** The media types that a node sends and reads. They replace the table of `mime-db`, which has thousands of entries. */
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
 * Loads Node's own modules with `require`. `import` would read every export of a module, and reading some exports loads a second HTTP
 * client, web streams and more, which then stay in memory.
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

/** Options that all bundles for Node share. */
const FOR_NODE = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: [...EXTERNAL],
  // With this option, the names of sources in a source map do not depend on the location of node_modules.
  preserveSymlinks: true,
  plugins: [leaveOut, requireBuiltins],
  // Names are not shortened, because stack frames show them and the code reads the names of classes.
  minifyWhitespace: true,
  minifySyntax: true,
  // V8 needs only half the memory for a source that is ASCII.
  charset: 'ascii',
  legalComments: 'none',
  logLevel: 'warning',
  logOverride: { 'import-is-undefined': 'silent' },
  // The bundle is an ES module, which has no `require`, but the CommonJS packages in it load Node's own modules with `require`.
  banner: { js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);" },
} as const satisfies BuildOptions;

/** @param folder the output folder; like `src/cli`, it must be two levels below the folder of package.json */
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
  // Otherwise the esbuild process would keep running.
  await stop();
}

/**
 * Bundles the worker thread of the visualiser into one file for an image, because an image does not contain the compiled modules of `src`.
 * @param folder the output folder, next to the folder of the bundle
 */
export async function bundleWorker(folder: string): Promise<void> {
  await bundle({ ...FOR_NODE, entryPoints: ['src/visualizer/layout-worker.ts'], outdir: folder });
  await stop();
}
