/**
 * Manual controls of a running cluster: they trigger ticks, and break and repair what may break in production. Faults act on the
 * development chain, the processes and the connections between them, never inside a node.
 */
import { within } from '../domain/deadline.ts';
import { systemClock } from '../system/system.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { Cluster } from './cluster.ts';
import { INSTANCE_STATUS, KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS } from './dev-chain.ts';
import type { PeerLinks } from './peer-links.ts';
import type { TcpRelay } from './tcp-relay.ts';

/** How long a node may take to accept a tick. Milliseconds. */
const TICK_TIMEOUT_MS = 5_000;

export interface ClusterControlsModules {
  readonly cluster: Cluster;
  readonly links: PeerLinks;
  /** The relay through which the nodes reach the RPC. */
  readonly rpc: TcpRelay;
  /** The nodes' visualisers accept commands only with this token. */
  readonly token: string;
}

/** A command that cannot be carried out. The message is a sentence for the reader of the visualiser's page. */
export class ControlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ControlError';
  }
}

export class ClusterControls {
  readonly #modules: ClusterControlsModules;

  constructor(modules: ClusterControlsModules) {
    this.#modules = modules;
  }

  async tick(name: string, job: 'node_tick' | 'sync_tick'): Promise<void> {
    const { visualizerPort, running } = this.#node(name);
    if (!running || visualizerPort === null) throw new ControlError(`${name} is not running`);
    const url = `http://127.0.0.1:${visualizerPort}`;
    const answer = await within(systemClock, `${name} accepting a ${job}`, TICK_TIMEOUT_MS, undefined, (signal) =>
      fetch(`${url}/commands`, {
        method: 'POST',
        headers: { origin: url, 'content-type': 'application/json', 'x-visualizer-token': this.#modules.token },
        body: JSON.stringify({ command: job }),
        signal,
      }),
    );
    if (!answer.ok) throw new ControlError(`${name} did not accept the ${job}`);
  }

  async setInstance(name: string, status: 'ACTIVE' | 'STOPPED'): Promise<void> {
    await this.#modules.cluster.chain.setInstanceStatus(this.#node(name).wallet, INSTANCE_STATUS[status]);
  }

  /** Sets the status of the one version that all nodes run. */
  async setVersion(status: 'ENROLLED' | 'REVOKED'): Promise<void> {
    await this.#modules.cluster.chain.setVersionStatus(KMS_APP_ID, KMS_VERSION_ID, VERSION_STATUS[status]);
  }

  async resetHash(): Promise<void> {
    await this.#modules.cluster.chain.resetMasterSecretHash();
  }

  async kill(name: string): Promise<void> {
    const node = this.#node(name);
    if (!node.running) throw new ControlError(`${name} is not running`);
    await node.kill();
  }

  /** Starts a new process. If the node's process is running, ends it gracefully first. */
  async restart(name: string): Promise<void> {
    const node = this.#node(name);
    await node.stop();
    await node.start();
  }

  cut(name: string, peer: string): void {
    this.#modules.links.cut(this.#node(name).name, this.#other(name, peer).name);
  }

  heal(name: string, peer: string): void {
    this.#modules.links.heal(this.#node(name).name, this.#other(name, peer).name);
  }

  setRpc(isOpen: boolean): void {
    if (isOpen) this.#modules.rpc.open();
    else this.#modules.rpc.shut();
  }

  #node(name: string): ClusterNode {
    const node = this.#modules.cluster.nodes.find((each) => each.name === name);
    if (node === undefined) throw new ControlError('there is no such node');
    return node;
  }

  #other(name: string, peer: string): ClusterNode {
    if (name === peer) throw new ControlError('these are the same node');
    return this.#node(peer);
  }
}
