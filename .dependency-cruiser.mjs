/**
 * Which room (folder of `src`) may import which, and why (ARCHITECTURE.md, Rooms). Imports go in one direction only: code that decides must
 * not import code that carries out its decisions. Every room must be in this table.
 */

/** For each room, the other rooms that it may import. */
const ROOMS = {
  /** Names, limits and ports. This room decides nothing and does no I/O. */
  domain: [],
  /** Key bytes and signatures. No clock, no log, no network. */
  crypto: ['domain'],
  /** The state machine of a node. The machine has slots for jobs, and the room `node` fills them. */
  machines: ['domain'],
  /** Turns any machine into lists of states and edges, and into text. It contains nothing that is specific to nodes. */
  chart: [],
  /** The events and values that a running machine may show, and the page that shows them. It contains nothing that is specific to nodes. */
  visualizer: ['domain', 'chart'],
  /** Decides which copy of a record wins. No network; the time is an argument. */
  store: ['domain', 'crypto'],
  /** Records how the secret and the store were used, as a verifiable chain of hashes. Its only outside call asks the enclave to sign. */
  audit: ['domain', 'crypto'],
  /** Checks who sent a request, and whether that caller is authorized. No HTTP. */
  auth: ['domain', 'crypto'],
  /** Reads the chain and sends claims, through viem. Other rooms decide whom to trust. */
  registry: ['domain'],
  /** The client of the enclave API, and an emulator of that API. */
  enclave: ['domain', 'crypto'],
  /** Outbound HTTP: the proxy, limits, and which addresses may be reached. */
  net: ['domain'],
  /** The log, and the metrics. */
  observe: ['domain'],
  /** Parses the environment, once. */
  config: ['domain'],
  /** The process's clock and randomness. */
  system: ['domain'],
  /** Sends messages to peers, and answers the messages of peers. No Express, no viem. */
  sync: ['domain', 'crypto'],
  /** The Express app. It receives parts of a node, never the whole node. */
  http: ['domain', 'crypto', 'auth'],
  /** The OpenAPI document, made from the schemas that parse the bodies. It is loaded when it is first requested. */
  openapi: ['domain', 'http', 'sync', 'audit'],
  /** The package that apps import. It must stay small, so it contains no internal code of a node. */
  client: ['domain', 'crypto', 'enclave', 'registry', 'net', 'system'],
  /** The composition root: connects the rooms and decides nothing. */
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
  /** Whole clusters on a virtual clock, checked against the protocol's rules. It composes nodes in the same way as the product. */
  sim: ['domain', 'crypto', 'machines', 'store', 'enclave', 'registry', 'config', 'http', 'client', 'node', 'visualizer'],
  /** Entry points. Only this room may import every other room. */
  cli: null,
};

/** For each package, the rooms that may import it. A package that few rooms import is easy to replace. All rooms may use zod and lru-cache. */
const PACKAGE_HOMES = {
  express: ['http', 'sim'],
  viem: ['registry', 'enclave', 'dev', 'sim'],
  xstate: ['machines', 'node', 'chart', 'visualizer'],
  winston: ['observe'],
  'prom-client': ['observe'],
  undici: ['net'],
  secp256k1: ['crypto'],
  '@noble/hashes': ['crypto'],
  'ipaddr.js': ['http', 'net'],
  commander: ['cli'],
  solc: ['dev'],
  elkjs: ['visualizer'],
  esbuild: ['visualizer'],
};

/** Entry points: the command line, the client, workers, and files that are started by their path. */
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
      comment: 'Every file must be in a room (a folder of src), because readers look for a file by its room.',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(?:${names})/` },
      to: {},
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other should be one file, or should share a third file.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-dead-files',
      comment: 'A file that no entry point reaches must be deleted.',
      severity: 'error',
      from: { path: ENTRIES },
      to: { path: '^src/', pathNot: ENTRIES, reachable: false },
    },
    {
      name: 'the-product-runs-without-development-packages',
      comment: 'The emulator, the development cluster and the bundler of the page may use development packages; a node and the client may not.',
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
