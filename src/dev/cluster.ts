/**
 * A cluster on this machine: a chain with both contracts, and N registered and funded nodes. Each node and each enclave emulator is a
 * separate process. `npm start`, the end-to-end tests and the benchmarks use such clusters.
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

/** The nodes read the chain this many blocks behind the head (`CHAIN_CONFIRMATIONS`). */
export const CONFIRMATIONS = 6;
export const MAX_NODES = 16;
/** The id of the first app besides the KMS app, which has a lower id. Each further app gets the next id. */
const FIRST_APP_ID = 1_001;
const DEFAULT_BLOCK_TIME_SECONDS = 1;
const DEFAULT_KEEP_LINES = 500;

export interface NodePlan {
  /** The URL to register instead of `http://127.0.0.1:PORT`. */
  readonly url?: string | ((port: number) => string);
  /** Overrides the cluster's variables. */
  readonly environment?: Environment;
  /** Default: true. */
  readonly register?: boolean;
  /** Whether to start this node's process. Default: `start` of the cluster's options. */
  readonly start?: boolean;
}

/** Steps of `startCluster`, for progress reports. */
export type ClusterStep = 'chain' | 'contracts' | 'enclaves' | 'registration' | 'nodes';

export interface ClusterOptions {
  /** 1..16 */
  readonly nodes: number;
  /** `KMS_NODE_TICK_SECONDS` of every node. Default: 5. */
  readonly tickSeconds?: number;
  /** Port of the first node; the other nodes use the next ports. 0 (the default): any free ports. */
  readonly basePort?: number;
  /** Seconds between blocks, at least 0.2. Default: 1. */
  readonly blockTimeSeconds?: number;
  /** The program that the nodes run, such as the bundle. Default: the sources. */
  readonly nodeProgram?: string | undefined;
  /** The generation of the platform that the enclaves imitate. Default: capsule. */
  readonly generation?: 'capsule' | 'enclaver';
  /** Whether tests may inject failures into the enclave API. Default: false. */
  readonly allowFaults?: boolean;
  /** Gives each node a visualiser on a separate port, which accepts commands with this token. */
  readonly visualizer?: { readonly token: string } | undefined;
  /** Variables for every node. */
  readonly environment?: Environment;
  /** Plans of individual nodes, in the order of the nodes. */
  readonly plans?: readonly NodePlan[];
  /** Whether to start the node processes and wait until they answer HTTP. Default: true. */
  readonly start?: boolean;
  /** Runs after the nodes are registered, before the chain confirms the registrations and before the nodes start. */
  readonly prepare?: (cluster: Cluster) => Promise<void>;
  /** Number of output lines kept for each process. Default: 500. */
  readonly keepLines?: number;
  readonly onStep?: (step: ClusterStep) => void;
  readonly onLine?: (line: CapturedLine) => void;
  /** Called once for each process of a node, when the process has ended. */
  readonly onNodeEnd?: NodeEndListener;
  /** Aborts the start. */
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

  /** @param index counted from 1 */
  node(index: number): ClusterNode {
    const node = this.#nodes[index - 1];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  /** The last lines of every process that the cluster has started. */
  lines(): readonly CapturedLine[] {
    return this.#outputs.flatMap((output) => output.lines());
  }

  /** Adds a node, starts its enclave and registers the node, but does not start the node's process. @param port 0: any free port */
  async addNode(plan: NodePlan = {}, port = 0): Promise<ClusterNode> {
    const [own, other] = await choosePorts(2, 0);
    const node = await this.makeNode(plan, port === 0 ? own! : port, this.#options.visualizer === undefined ? null : other!);
    await this.registerNode(node, plan);
    return node;
  }

  /** Creates an app's client and keys, and registers their wallet as an instance of an app other than the KMS. */
  async createApp(options: Partial<DevAppOptions> = {}): Promise<DevApp> {
    // The id is taken before the first `await`, because another app may be created while this call waits.
    const appId = this.#nextAppId;
    this.#nextAppId += 1;
    const app = await DevApp.register({ appId, envelope: this.#options.generation ?? 'capsule', ...options }, { chain: this.chain });
    this.#apps.push(app);
    return app;
  }

  /** Mines enough blocks for the nodes to read the state of the current head. */
  async mineConfirmations(): Promise<void> {
    await this.chain.mine(CONFIRMATIONS + 1);
  }

  /** Kills every process immediately, and does not wait until the processes have ended. */
  killAll(): void {
    for (const node of this.#nodes) {
      node.retire();
      void node.kill();
      void node.enclave.kill();
    }
    void this.#anvil.stop();
  }

  /** Ends all processes gracefully. */
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
          // 0 turns off the check of a block's age. Blocks are mined on demand or faster than real time, so their timestamps are not the real time.
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
    // This must run before the first `await`. Otherwise a node that the user is restarting could still start.
    for (const node of this.#nodes) node.retire();
    await Promise.all(this.#apps.map((app) => app.close()));
    await Promise.all(this.#nodes.map((node) => node.stop()));
    await Promise.all(this.#nodes.map((node) => node.enclave.stop()));
    await this.#anvil.stop();
    await this.#closeTransport();
  }
}

/** Starts a cluster. If that fails, ends everything that has been started. @throws Error with a one-line message */
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

/** @returns one port per visualiser, none of them in `taken` */
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

/** Calls `work` for all items in parallel. Before it throws the first failure, it waits until all calls have ended, so that nothing is still starting. */
async function inParallel<T>(items: readonly T[], work: (item: T, index: number) => Promise<unknown>): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
