/**
 * One run of `npm start`, in steps: start the cluster, wait until every node is ready, check keys and replication, show the table. When a
 * step fails, its error states the cause in one line.
 */
import type { ClusterNode } from '../../dev/cluster-node.ts';
import { startCluster, type Cluster, type ClusterStep } from '../../dev/cluster.ts';
import type { DevApp } from '../../dev/dev-app.ts';
import { KMS_APP_ID } from '../../dev/dev-chain.ts';
import type { Exit } from '../../dev/managed-process.ts';
import { DevIdentity } from './identity.ts';
import { checkKeys, type KeyCheck } from './key-check.ts';
import type { DevOptions } from './options.ts';
import { DevProgress } from './progress.ts';
import { checkReplication, type ReplicationTimes } from './replication-check.ts';
import type { Report, TableRow } from './report.ts';
import type { DevVisualizer } from './visualizer.ts';

/**
 * Time between blocks during the start. It is short, because the start waits until the hash of the master secret is deep enough in the
 * chain. Seconds.
 */
const BLOCK_TIME_UNTIL_READY_SECONDS = 0.25;
const BLOCK_TIME_SECONDS = 1;
/** Nodes may take this time plus READY_TIMEOUT_TICKS ticks to become ready. Milliseconds. */
const READY_TIMEOUT_MS = 90_000;
const READY_TIMEOUT_TICKS = 3;

const STEP_TEXT: Readonly<Record<ClusterStep, string>> = {
  chain: 'Starting the chain',
  contracts: 'Compiling and deploying the contracts',
  enclaves: 'Starting the enclave emulators',
  registration: 'Registering the instances',
  nodes: 'Starting the nodes',
};

export interface DevSessionModules {
  readonly report: Report;
  readonly monotonicMs: () => number;
  /** An abort ends the run. */
  readonly signal: AbortSignal;
}

export class DevSession {
  readonly #options: DevOptions;
  readonly #modules: DevSessionModules;
  readonly #progress: DevProgress;
  readonly #identity: DevIdentity;
  #cluster: Cluster | null = null;
  #app: DevApp | null = null;
  #visualizer: DevVisualizer | null = null;

  constructor(options: DevOptions, modules: DevSessionModules) {
    this.#options = options;
    this.#modules = modules;
    this.#progress = new DevProgress(modules);
    this.#identity = new DevIdentity(options.identity);
  }

  /** @returns whether all nodes derived the same key @throws an Error whose first line is the problem, or the signal's abort reason */
  async run(): Promise<boolean> {
    const { report, signal, monotonicMs } = this.#modules;
    const startedMs = monotonicMs();
    const { cluster, app } = await this.#start();
    await this.#waitUntilReady(cluster);
    const wallets = cluster.nodes.map(({ wallet }) => wallet);
    const modules = { client: app.client, monotonicMs };
    const check = await checkKeys(wallets, signal, modules);
    const times = await checkReplication(wallets, signal, modules);
    const rows = await Promise.all(cluster.nodes.map((node, index) => rowOf(node, check.keys[index]!, times[index]!)));
    report({ event: 'table', after_ms: Math.round(monotonicMs() - startedMs), equal: check.equal, rows });
    await cluster.chain.setBlockTime(BLOCK_TIME_SECONDS);
    return check.equal;
  }

  /**
   * After `run`: writes the identity file, so that commands in another terminal can act as the cluster's app.
   * @returns null when the file was written; otherwise one line that says why it could not be written
   */
  async offerIdentity(): Promise<string | null> {
    const failure = await this.#identity.write(this.#app!, this.#cluster!);
    const file = failure === null ? this.#options.identity : null;
    void this.#visualizer?.warmUp();
    this.#modules.report({ event: 'running', status_url: this.#cluster!.nodes[0]!.url, identity_file: file });
    return failure;
  }

  /** Ends all processes and removes the identity file. */
  async close(): Promise<void> {
    // The cluster begins to close before the first `await`. Otherwise a node that the user is restarting could still start.
    const closed = this.#cluster?.close();
    try {
      await this.#identity.remove();
    } finally {
      await closed;
      await this.#visualizer?.close();
    }
  }

  /** Kills all processes immediately, for a user who does not want to wait. */
  killAll(): void {
    this.#cluster?.killAll();
  }

  async #start(): Promise<{ readonly cluster: Cluster; readonly app: DevApp }> {
    const { nodes, tickSeconds, basePort, generation } = this.#options;
    const { report, signal } = this.#modules;
    const names = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
    const visualizer = await this.#startVisualizer(names);
    // Resolves when the cluster has started. Until then, the end of a node is not reported separately: it makes the start fail with an
    // error that names the node.
    const started = Promise.withResolvers<undefined>();
    const cluster = await startCluster({
      nodes,
      tickSeconds,
      generation,
      basePort,
      ...(visualizer === null
        ? {}
        : { visualizer: { token: visualizer.nodeToken }, environment: visualizer.environment, plans: names.map((name) => visualizer.planOf(name)) }),
      blockTimeSeconds: BLOCK_TIME_UNTIL_READY_SECONDS,
      prepare: async (prepared) => {
        this.#cluster = prepared;
        this.#app = await prepared.createApp();
        visualizer?.prepare(prepared);
        report({
          event: 'cluster',
          chain_url: prepared.chain.url,
          nova_app_registry: prepared.chain.novaAppRegistry,
          kms_registry: prepared.chain.kmsRegistry,
          kms_app_id: KMS_APP_ID,
        });
      },
      onStep: (step) => {
        // When the first step begins, the options have been checked and free ports have been found.
        if (step === 'chain' && visualizer !== null) report({ event: 'visualizer', url: visualizer.url });
        report({ event: 'step', step: this.#options.json ? step : STEP_TEXT[step] });
        if (step === 'nodes') for (const { name } of this.#cluster!.nodes) this.#progress.started(name);
      },
      onLine: (line) => {
        const change = signal.aborted ? null : this.#progress.take(line);
        if (change !== null) report(change);
      },
      onNodeEnd: (node, exit, how) => {
        visualizer?.ended(node, exit);
        void started.promise.then(() => this.#ended(node, exit, how));
      },
      signal,
    });
    signal.throwIfAborted();
    started.resolve(undefined);
    return { cluster, app: this.#app! };
  }

  /** Loads the visualiser's modules only when the user wants the visualiser. */
  async #startVisualizer(names: readonly string[]): Promise<DevVisualizer | null> {
    const { visualizerPort } = this.#options;
    if (visualizerPort === null) return null;
    const { DevVisualizer: Visualizer } = await import('./visualizer.ts');
    try {
      this.#visualizer = await Visualizer.start({ names, port: visualizerPort, signal: this.#modules.signal });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      throw new Error(`port ${visualizerPort} is in use: give a different --visualizer-port, or 0 for any free port`, { cause: error });
    }
    return this.#visualizer;
  }

  /** Reports how a node's process ended, unless it ended normally together with the cluster. */
  #ended({ name }: ClusterNode, { code }: Exit, how: string): void {
    const { report, signal } = this.#modules;
    const inOrder = signal.aborted && code === 0;
    if (!inOrder) report({ event: 'ended', node: name, how });
  }

  async #waitUntilReady(cluster: Cluster): Promise<void> {
    const timeoutMs = READY_TIMEOUT_MS + READY_TIMEOUT_TICKS * this.#options.tickSeconds * 1000;
    const failed = new AbortController();
    const signal = AbortSignal.any([this.#modules.signal, failed.signal]);
    try {
      await Promise.all(cluster.nodes.map((node) => node.waitForState('ready', timeoutMs, signal)));
    } finally {
      // Only the first failure is reported, so there is no need to wait for the other nodes.
      failed.abort();
    }
  }
}

async function rowOf(node: ClusterNode, key: KeyCheck['keys'][number], times: ReplicationTimes): Promise<TableRow> {
  const status = await node.tryStatus();
  return {
    node: node.name,
    url: node.url,
    state: status?.readiness?.state ?? 'no answer',
    wallet: node.wallet,
    fingerprint: key.fingerprint,
    derive_ms: key.durationMs,
    write_ms: times.writtenMs,
    delete_ms: times.deletedMs,
  };
}
