/**
 * Which room may import which, and why (ARCHITECTURE.md, Rooms). Arrows point one way: a rule may not know who carries it
 * out, and what acts sits at the edge. A room that is not in this table may not exist.
 */

/** Room → rooms it may import, besides itself. */
const ROOMS = {
  /** Names, limits and ports. It decides nothing and touches nothing. */
  domain: [],
  /** Key bytes and signatures. No clock, no log, no network. */
  crypto: ['domain'],
  /** The diagram of a node. What its slots do is filled in by `node`. */
  machines: ['domain'],
  /** Any machine as lists of states and edges, and as text. It knows no node. */
  chart: [],
  /** What may be seen of any machine while it runs, and the page that shows it. It knows no node. */
  visualizer: ['domain', 'chart'],
  /** Which copy wins. No network, no clock of its own. */
  store: ['domain', 'crypto'],
  /** What was done, as a chain of hashes that can be verified. It asks nobody but the enclave, for signatures. */
  audit: ['domain', 'crypto'],
  /** May this caller ask? No HTTP. */
  auth: ['domain', 'crypto'],
  /** The chain over viem. Reads facts; whom to trust is decided elsewhere. */
  registry: ['domain'],
  /** The enclave API, and its emulator. */
  enclave: ['domain', 'crypto'],
  /** Outbound HTTP: proxy, caps, address guard. */
  net: ['domain'],
  /** The log, and the metrics. */
  observe: ['domain'],
  /** The environment, parsed once. */
  config: ['domain'],
  /** The process's clock and randomness. */
  system: ['domain'],
  /** What is said to peers and answered to them. No Express, no viem. */
  sync: ['domain', 'crypto'],
  /** The Express app. It never receives the whole node. */
  http: ['domain', 'crypto', 'auth'],
  /** The OpenAPI document, from the schemas that bodies are parsed with. It is loaded when somebody asks for it. */
  openapi: ['domain', 'http', 'sync', 'audit'],
  /** What apps import. It must stay small: nothing of a node's inside. */
  client: ['domain', 'crypto', 'enclave', 'registry', 'net', 'system'],
  /** The composition root: joins the rooms and decides nothing. */
  node: [
    'domain',
    'crypto',
    'machines',
    'store',
    'audit',
    'auth',
    'registry',
    'enclave',
    'net',
    'config',
    'observe',
    'system',
    'sync',
    'http',
    'openapi',
    'chart',
    'visualizer',
  ],
  /** A cluster on one machine, for development, tests and benchmarks. */
  dev: ['domain', 'net', 'system', 'client'],
  /** Whole clusters on a virtual clock, held against their rules. It composes nodes as the product does. */
  sim: ['domain', 'crypto', 'machines', 'store', 'enclave', 'registry', 'config', 'http', 'client', 'node', 'visualizer'],
  /** Entry points. The only room that may import any other. */
  cli: null,
};

/** Package → rooms that may import it, few each, so that replacing it is a small change. zod and lru-cache are tools of all rooms. */
const PACKAGE_HOMES = {
  express: ['http', 'sim'],
  viem: ['registry', 'enclave', 'dev', 'sim'],
  xstate: ['machines', 'node', 'chart', 'visualizer'],
  winston: ['observe'],
  'prom-client': ['observe'],
  undici: ['net', 'enclave'],
  secp256k1: ['crypto'],
  '@noble/hashes': ['crypto'],
  'ipaddr.js': ['http', 'net'],
  commander: ['cli'],
  solc: ['dev'],
  elkjs: ['visualizer'],
  esbuild: ['visualizer'],
};

/** Where a run begins: the command line, the client, workers, and what is started by its path alone. */
const ENTRIES = '^src/(?:cli/nova-kms|cli/node-program|cli/dev/dev|cli/sim/worker|client/index|visualizer/layout-worker|visualizer/page/main)\\.ts$';

const names = Object.keys(ROOMS).join('|');

const roomRules = Object.entries(ROOMS)
  .filter(([, allowed]) => allowed !== null)
  .map(([room, allowed]) => ({
    name: `${room}-imports-only-${allowed.length === 0 ? 'itself' : allowed.join('-')}`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: '^src/', pathNot: `^src/(?:${[room, ...allowed].join('|')})/` },
  }));

const packageRules = Object.entries(PACKAGE_HOMES).map(([name, homes]) => ({
  name: `${name}-lives-in-${homes.join('-')}`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/(?:${homes.join('|')})/` },
  to: { path: `^node_modules/${name}/` },
}));

export default {
  forbidden: [
    ...roomRules,
    ...packageRules,
    {
      name: 'every-file-is-in-a-room',
      comment: 'A stranger finds a file by its room.',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(?:${names})/` },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one idea or three.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-dead-files',
      comment: 'What nothing reaches is deleted.',
      severity: 'error',
      from: { path: ENTRIES },
      to: { path: '^src/', pathNot: ENTRIES, reachable: false },
    },
    {
      name: 'the-product-runs-without-development-packages',
      comment: 'The emulator, the development cluster and the bundler of the page may use them; a node and the client may not.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(?:(?:dev|cli|enclave/emulator)/|visualizer/bundle-page\\.ts$)' },
      to: { dependencyTypes: ['npm-dev'] },
    },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
