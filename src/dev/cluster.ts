/**
 * A cluster on this machine: a chain with both contracts, and N nodes, each a process with its enclave emulator in another,
 * registered and funded. Behind `npm start`, the end-to-end tests and benchmarks.
 */
import type { Transport } from '../domain/ports.ts';
import { PeerTransport } from '../net/peer-transport.ts';
import { systemClock } from '../system/system.ts';
import { startAnvil, type Anvil } from './anvil.ts';
import { CapturedOutput, type CapturedLine } from './captured-output.ts';
import { ClusterNode, type Environment, type NodeEndListener } from './cluster-node.ts';
import { DevApp, type DevAppOptions } from './dev-app.ts';
import { DevChain, KMS_APP_ID } from './dev-chain.ts';
import { EmulatorProcess } from './emulator-process.ts';
import { choosePorts } from './listening-ports.ts';

/** Blocks that nodes read behind the head (CHAIN_CONFIRMATIONS). */
export const CONFIRMATIONS = 6;
export const MAX_NODES = 16;
/** Above the app id of the KMS. */
const FIRST_APP_ID = 1_001;
const DEFAULT_BLOCK_TIME_SECONDS = 1;
const DEFAULT_KEEP_LINES = 500;

export interface NodePlan {
  /** Registered instead of `http://127.0.0.1:PORT`. */
  readonly url?: string | ((port: number) => string);
  /** Over the cluster's. */
  readonly environment?: Environment;
  /** Default: true. */
  readonly register?: boolean;
  /** Default: as the cluster's `start`. */
  readonly start?: boolean;
}

/** Steps of `startCluster`, for progress. */
export type ClusterStep = 'chain' | 'contracts' | 'enclaves' | 'registration' | 'nodes';

export interface ClusterOptions {
  /** 1..16 */
  readonly nodes: number;
  /** KMS_NODE_TICK_SECONDS. Default: 5. */
  readonly tickSeconds?: number;
  /** Port of the first node; 0 (the default): any free ones. */
  readonly basePort?: number;
  /** Seconds between blocks; fractions are taken, down to a fifth. Default: 1. */
  readonly blockTimeSeconds?: number;
  /** What the nodes run, such as the bundle. Default: the sources. */
  readonly nodeProgram?: string | undefined;
  /** Generation of the platform. Default: capsule. */
  readonly generation?: 'capsule' | 'enclaver';
  /** Let tests inject failures into the enclave API. Default: false. */
  readonly allowFaults?: boolean;
  /** Each node has a visualiser at another port, which takes commands with this token. */
  readonly visualizer?: { readonly token: string } | undefined;
  /** For every node. */
  readonly environment?: Environment;
  /** By position. */
  readonly plans?: readonly NodePlan[];
  /** Start the node processes and wait until they answer HTTP. Default: true. */
  readonly start?: boolean;
  /** Runs when the nodes are registered, before what is there becomes deep enough for them to see, and before they start. */
  readonly prepare?: (cluster: Cluster) => Promise<void>;
  /** Lines kept of each process. Default: 500. */
  readonly keepLines?: number;
  readonly onStep?: (step: ClusterStep) => void;
  readonly onLine?: (line: CapturedLine) => void;
  /** A node's process has ended; called once for each. */
  readonly onNodeEnd?: NodeEndListener;
  /** Ends a start under way. */
  readonly signal?: AbortSignal;
}

export class Cluster {
  readonly chain: DevChain;
  readonly transport: Transport;
  readonly #options: ClusterOptions;
  readonly #anvil: Anvil;
  readonly #closeTransport: () => Promise<void>;
  readonly #nodes: ClusterNode[] = [];
  readonly #apps: DevApp[] = [];
  #nextAppId = FIRST_APP_ID;
  readonly #outputs: CapturedOutput[] = [];
  #closed: Promise<void> | null = null;

  constructor(options: ClusterOptions, modules: { readonly chain: DevChain; readonly anvil: Anvil }) {
    this.#options = options;
    this.chain = modules.chain;
    this.#anvil = modules.anvil;
    const transport = new PeerTransport({ inEnclave: false, proxy: { noProxy: '' } }, { clock: systemClock });
    this.transport = transport;
    this.#closeTransport = () => transport.close();
  }

  get nodes(): readonly ClusterNode[] {
    return this.#nodes;
  }

  /** @param index from 1 */
  node(index: number): ClusterNode {
    const node = this.#nodes[index - 1];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  /** The last lines of every process there was. */
  lines(): readonly CapturedLine[] {
    return this.#outputs.flatMap((output) => output.lines());
  }

  /** Adds a node with a running enclave; registers it, but does not start it. @param port 0: a free one */
  async addNode(plan: NodePlan = {}, port = 0): Promise<ClusterNode> {
    const [own, other] = await choosePorts(2, 0);
    const node = await this.makeNode(plan, port === 0 ? own! : port, this.#options.visualizer === undefined ? null : other!);
    await this.registerNode(node, plan);
    return node;
  }

  /** An app, registered as an instance of another app than the KMS, with a client. */
  async createApp(options: Partial<DevAppOptions> = {}): Promise<DevApp> {
    // Taken before anything is waited for: others may be created meanwhile.
    const appId = this.#nextAppId;
    this.#nextAppId += 1;
    const app = await DevApp.register({ appId, envelope: this.#options.generation ?? 'capsule', ...options }, { chain: this.chain });
    this.#apps.push(app);
    return app;
  }

  /** Mines until what stands at the head now is deep enough for the nodes to see. */
  async mineConfirmations(): Promise<void> {
    await this.chain.mine(CONFIRMATIONS + 1);
  }

  /** Ends every process at once, in no order; for a caller that will not wait. */
  killAll(): void {
    for (const node of this.#nodes) {
      node.retire();
      void node.kill();
      void node.enclave.kill();
    }
    void this.#anvil.stop();
  }

  /** Leaves no process behind. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async makeNode(plan: NodePlan, port: number, visualizerPort: number | null): Promise<ClusterNode> {
    const index = this.#nodes.length + 1;
    const { generation = 'capsule', allowFaults = false, tickSeconds = 5 } = this.#options;
    const enclave = new EmulatorProcess(
      { name: `emulator-${index}`, generation, allowFaults },
      { output: this.#capture(`emulator-${index}`) },
    );
    const { visualizer } = this.#options;
    const localUrl = `http://127.0.0.1:${port}`;
    const node = new ClusterNode(
      {
        index,
        port,
        visualizerPort,
        program: this.#options.nodeProgram,
        url: typeof plan.url === 'function' ? plan.url(port) : (plan.url ?? localUrl),
        environment: {
          IN_ENCLAVE: 'false',
          NODE_URL: this.chain.url,
          NOVA_APP_REGISTRY_ADDRESS: this.chain.novaAppRegistry,
          KMS_REGISTRY_ADDRESS: this.chain.kmsRegistry,
          KMS_APP_ID: String(KMS_APP_ID),
          KMS_NODE_TICK_SECONDS: String(tickSeconds),
          CHAIN_CONFIRMATIONS: String(CONFIRMATIONS),
          // Blocks come when they are asked for, or faster than the clock, so their times mean nothing.
          CHAIN_MAX_AGE_SECONDS: '0',
          ...(visualizer === undefined ? {} : { VISUALIZER_PORT: String(visualizerPort), VISUALIZER_COMMAND_TOKEN: visualizer.token }),
          ...this.#options.environment,
          ...plan.environment,
        },
      },
      { chain: this.chain, enclave, output: this.#capture(`node-${index}`), transport: this.transport, onEnd: this.#options.onNodeEnd },
    );
    this.#nodes.push(node);
    await enclave.start();
    return node;
  }

  async registerNode(node: ClusterNode, plan: NodePlan): Promise<void> {
    await this.chain.fund(node.wallet);
    if (plan.register === false) return;
    await this.chain.register({ wallet: node.wallet, teePubkey: node.teePubkey, url: node.url });
  }

  #capture(source: string): CapturedOutput {
    const output = new CapturedOutput(source, this.#options.keepLines ?? DEFAULT_KEEP_LINES, this.#options.onLine);
    this.#outputs.push(output);
    return output;
  }

  async #close(): Promise<void> {
    // Before anything is waited for: the user may be about to start a node again.
    for (const node of this.#nodes) node.retire();
    await Promise.all(this.#apps.map((app) => app.close()));
    await Promise.all(this.#nodes.map((node) => node.stop()));
    await Promise.all(this.#nodes.map((node) => node.enclave.stop()));
    await this.#anvil.stop();
    await this.#closeTransport();
  }
}

/** @throws Error with one line; nothing is left running then */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  if (!Number.isInteger(options.nodes) || options.nodes < 1 || options.nodes > MAX_NODES) {
    throw new Error(`a cluster has 1 to ${MAX_NODES} nodes`);
  }
  const ports = await choosePorts(options.nodes, options.basePort ?? 0);
  options.onStep?.('chain');
  const anvil = await startAnvil({ port: 0, blockTimeSeconds: options.blockTimeSeconds ?? DEFAULT_BLOCK_TIME_SECONDS });
  let cluster: Cluster | null = null;
  try {
    options.signal?.throwIfAborted();
    options.onStep?.('contracts');
    cluster = new Cluster(options, { anvil, chain: await DevChain.deploy(anvil.url) });
    await fill(cluster, options, ports, await visualizerPorts(options, ports));
    return cluster;
  } catch (error) {
    await (cluster === null ? anvil.stop() : cluster.close());
    throw error;
  }
}

/** One for each node that is to have a visualiser; none of `taken`. */
async function visualizerPorts({ visualizer, nodes }: ClusterOptions, taken: readonly number[]): Promise<readonly number[]> {
  if (visualizer === undefined) return [];
  const free = await choosePorts(nodes + taken.length, 0);
  return free.filter((port) => !taken.includes(port)).slice(0, nodes);
}

async function fill(cluster: Cluster, options: ClusterOptions, ports: readonly number[], visualizers: readonly number[]): Promise<void> {
  const plans = ports.map((_, index) => options.plans?.[index] ?? {});
  options.onStep?.('enclaves');
  await inParallel(ports, (port, index) => cluster.makeNode(plans[index]!, port, visualizers[index] ?? null));
  options.signal?.throwIfAborted();
  options.onStep?.('registration');
  for (const [index, node] of cluster.nodes.entries()) await cluster.registerNode(node, plans[index]!);
  await options.prepare?.(cluster);
  await cluster.mineConfirmations();
  options.signal?.throwIfAborted();
  options.onStep?.('nodes');
  const starting = cluster.nodes.filter((_, index) => plans[index]!.start ?? options.start ?? true);
  await inParallel(starting, (node) => node.start({}, options.signal));
}

/** All at once, and done with all of them before the first failure is thrown: nothing is still starting then. */
async function inParallel<T>(items: readonly T[], work: (item: T, index: number) => Promise<unknown>): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
