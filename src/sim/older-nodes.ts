/** The older nodes of a simulated cluster, and the rule that the other nodes must not use up all nonces of an older node. */
import { OlderNode } from './world/older-node.ts';
import type { FaultScene } from './faults/fault-scene.ts';
import type { WriteHistory } from './watch/write-history.ts';
import type { Life } from './world/sim-node.ts';

const MAX_OLDER = 2;
/** Number of the first older node. A node's address is derived from its number, so an older node shares no address with another node. */
const FIRST_PLACE = 100;
/** A process younger than this is not judged, because the previous process at its address may have used up the nonces. Milliseconds. */
const YOUNG_MS = 60_000;

export interface OlderNodesModules extends Pick<FaultScene, 'seed' | 'timeline' | 'chain' | 'network' | 'apps' | 'checks' | 'disturb' | 'onFault'> {
  readonly history: WriteHistory;
  /** All running processes of the product's nodes. Older nodes are not included. */
  lives(): readonly Life[];
  report(invariant: string, detail: string, node: string): void;
}

export class OlderNodes {
  readonly #modules: OlderNodesModules;
  readonly #nodes: OlderNode[] = [];

  constructor(modules: OlderNodesModules) {
    this.#modules = modules;
  }

  get size(): number {
    return this.#nodes.length;
  }

  /** Starts an older node; the caller registers it. @returns null when there are already enough older nodes */
  add(): OlderNode | null {
    if (this.#nodes.length >= MAX_OLDER) return null;
    const { seed, timeline, chain, network, apps, history } = this.#modules;
    const node = new OlderNode(`older-${this.#nodes.length + 1}`, FIRST_PLACE + this.#nodes.length, {
      seed,
      timeline,
      chain,
      network,
      appIds: apps.map(({ appId }) => appId).filter((appId) => Number.isSafeInteger(appId)),
      onServed: () => this.#modules.onFault('older node joins'),
      onRefused: (address) => this.#judgeRefused(node.name, address),
      // The history does not record an older node's writes, so unknown records under this key are allowed.
      onWrite: (appId, key) => history.touch(appId, key, {}),
    });
    this.#nodes.push(node);
    this.#modules.disturb('', YOUNG_MS);
    node.start();
    return node;
  }

  #judgeRefused(name: string, address: string): void {
    const { checks, timeline } = this.#modules;
    const invariant = 'a node does not use up the nonces that an older node gives it';
    const life = this.#modules.lives().find(({ instance }) => instance.address === address);
    checks.note(invariant);
    if (life === undefined || life.instance.everLied || timeline.nowMs - life.startedMs < YOUNG_MS) return;
    this.#modules.report(invariant, `${life.name} has used up all nonces of ${name}`, life.name);
  }
}
