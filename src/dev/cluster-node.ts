/** One node of the cluster: its process, its enclave, and the controls of both. */
import { NODE_ENVIRONMENT, nodeFlags } from '../../launch/node-flags.mjs';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Transport } from '../domain/ports.ts';
import type { ReadinessState } from '../domain/readiness.ts';
import { readNodeStatus, type ReceivedStatus } from '../client/node-status.ts';
import type { CapturedLine, CapturedOutput } from './captured-output.ts';
import type { DevChain } from './dev-chain.ts';
import type { EmulatorProcess } from './emulator-process.ts';
import { ManagedProcess, type Exit } from './managed-process.ts';
import { waitUntil } from './waiting.ts';

/** How long a started node may take to answer HTTP. Milliseconds. */
const LISTEN_TIMEOUT_MS = 60_000;

export type Environment = Readonly<Record<string, string>>;

/** The `nova-kms` program, run from the sources of a checkout. */
const SOURCES = 'src/cli/nova-kms.ts';

export interface ClusterNodeOptions {
  /** Counted from 1. */
  readonly index: number;
  readonly port: number;
  /** Port of the node's visualiser; null: the node has no visualiser. */
  readonly visualizerPort: number | null;
  /** The URL in the registry. */
  readonly url: string;
  /** Environment variables for every start. The variables given to `start` override them. */
  readonly environment: Environment;
  /** The program whose command `node` runs the node: a path under the project's root, or an absolute path. Default: the sources. */
  readonly program?: string | undefined;
}

/** @param how describes in one line how the process ended */
export type NodeEndListener = (node: ClusterNode, exit: Exit, how: string) => void;

export interface ClusterNodeModules {
  readonly chain: DevChain;
  readonly enclave: EmulatorProcess;
  readonly output: CapturedOutput;
  readonly transport: Transport;
  /** Called once for each process of the node, when the process has ended. */
  readonly onEnd?: NodeEndListener | undefined;
}

export interface RestartEnclaveOptions {
  /** Also draw a new wallet. The enclave is then a new instance, which is registered beside the old one. Default: false. */
  readonly freshWallet?: boolean;
  /** Register the new key or instance. Default: true. */
  readonly register?: boolean;
}

export class ClusterNode {
  readonly index: number;
  readonly name: string;
  readonly port: number;
  /** Port of the node's visualiser; null: the node has no visualiser. */
  readonly visualizerPort: number | null;
  /** The URL in the registry. */
  readonly url: string;
  /** The address where the node listens, regardless of the registered URL. */
  readonly localUrl: string;
  readonly enclave: EmulatorProcess;
  readonly #environment: Environment;
  readonly #program: string;
  readonly #modules: ClusterNodeModules;
  #process: ManagedProcess | null = null;
  #isRetired = false;

  constructor(options: ClusterNodeOptions, modules: ClusterNodeModules) {
    this.index = options.index;
    this.name = `node-${options.index}`;
    this.port = options.port;
    this.visualizerPort = options.visualizerPort;
    this.url = options.url;
    this.localUrl = `http://127.0.0.1:${options.port}`;
    this.enclave = modules.enclave;
    this.#environment = options.environment;
    this.#program = options.program ?? SOURCES;
    this.#modules = modules;
  }

  get wallet(): Wallet {
    return this.enclave.wallet;
  }

  /** The public key of the enclave. The registry may contain a different key. */
  get teePubkey(): TeePubkey {
    return this.enclave.teePubkey;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The last lines of all processes of this node, oldest first. */
  lines(): readonly CapturedLine[] {
    return this.#modules.output.lines();
  }

  /** One line that says how the last process ended. */
  describeEnd(): string {
    return this.#process?.describeEnd() ?? `${this.name} has not been started`;
  }

  /**
   * Starts the process and waits until it answers `/status`.
   * @param environment overrides the cluster's variables
   * @throws Error with a one-line message when the process ends or does not answer in time; the signal's reason when the signal is aborted
   */
  async start(environment: Environment = {}, signal?: AbortSignal): Promise<void> {
    if (this.running) throw new Error(`${this.name} is already running`);
    const node = this.spawn(environment);
    await waitUntil({ what: `${this.name} answering HTTP`, timeoutMs: LISTEN_TIMEOUT_MS, signal }, async () => {
      if (!node.running) throw new Error(node.describeEnd());
      return (await this.tryStatus()) === null ? 'no answer to GET /status' : null;
    });
  }

  /** Starts the process without waiting until it answers. @throws Error with a one-line message when the cluster is closing */
  spawn(environment: Environment = {}): ManagedProcess {
    if (this.#isRetired) throw new Error(`${this.name} cannot be started, because the cluster is closing`);
    const variables = { BIND_ADDR: `127.0.0.1:${this.port}`, ODYN_URL: this.enclave.url, ...this.#environment, ...environment };
    const started = new ManagedProcess({
      name: this.name,
      // The launcher uses the same flags.
      arguments: [...nodeFlags(variables), this.#program, 'node', '--exit-with-parent'],
      environment: { ...NODE_ENVIRONMENT, ...variables },
      output: this.#modules.output,
    });
    this.#process = started;
    void started.exited.then((exit) => this.#modules.onEnd?.(this, exit, started.describeEnd()));
    return started;
  }

  /** Refuses further starts, because the cluster is closing. */
  retire(): void {
    this.#isRetired = true;
  }

  /** Ends the process gracefully, with SIGTERM. */
  async stop(): Promise<Exit | null> {
    return this.#process?.stop() ?? null;
  }

  /** Ends the process with SIGKILL, as if it had crashed. */
  async kill(): Promise<Exit | null> {
    return this.#process?.kill() ?? null;
  }

  async restart(environment: Environment = {}): Promise<void> {
    await this.stop();
    await this.start(environment);
  }

  /** Reboots the enclave, which draws a fresh P-384 key. The node's process keeps running. */
  async restartEnclave(options: RestartEnclaveOptions = {}): Promise<void> {
    const { chain, enclave } = this.#modules;
    await enclave.boot(options.freshWallet ?? false);
    if (options.freshWallet === true) await chain.fund(this.wallet);
    if (options.register === false) return;
    if (options.freshWallet === true) await chain.register({ wallet: this.wallet, teePubkey: this.teePubkey, url: this.url });
    else await chain.setTeePubkey(this.wallet, this.teePubkey);
  }

  /** @throws KmsClientError */
  async status(): Promise<ReceivedStatus> {
    return readNodeStatus(this.localUrl, undefined, { transport: this.#modules.transport });
  }

  /** @returns null when there is no valid answer */
  async tryStatus(): Promise<ReceivedStatus | null> {
    return this.status().catch(() => null);
  }

  /** @throws WaitError, whose message contains the node's state and the reason for that state; Error when the process ends first */
  async waitForState(state: ReadinessState, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await waitUntil({ what: `${this.name} becoming ${state}`, timeoutMs, signal }, async () => {
      if (!this.running) throw new Error(this.describeEnd());
      const readiness = (await this.tryStatus())?.readiness;
      if (readiness === undefined) return 'no answer to GET /status';
      return readiness.state === state ? null : `it is ${readiness.state}, ${readiness.reason ?? 'without a reason'}`;
    });
  }
}
