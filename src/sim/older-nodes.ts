/** The members of an older kind in a simulated cluster, and what the others owe them: no more questions than they hand out nonces. */
import { OlderNode } from './world/older-node.ts';
import type { FaultScene } from './faults/fault-scene.ts';
import type { WriteHistory } from './watch/write-history.ts';
import type { Life } from './world/sim-node.ts';

const MAX_OLDER = 2;
/** Places of their addresses, beyond those of all other nodes. */
const FIRST_PLACE = 100;
/** A process that has run for less may have asked as another one before. Milliseconds. */
const YOUNG_MS = 60_000;

export interface OlderNodesModules extends Pick<FaultScene, 'seed' | 'timeline' | 'chain' | 'network' | 'apps' | 'checks' | 'disturb' | 'onFault'> {
  readonly history: WriteHistory;
  /** All processes of this kind that run. */
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

  /** @returns null when there are enough; it runs, and the caller that adds it registers it */
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
      // Nothing is promised of what it writes: it loses marks and counts.
      onWrite: (appId, key) => history.touch(appId, key, {}),
    });
    this.#nodes.push(node);
    this.#modules.disturb('', YOUNG_MS);
    node.start();
    return node;
  }

  #judgeRefused(name: string, address: string): void {
    const { checks, timeline } = this.#modules;
    const invariant = 'an older node is asked no more often than it can bear';
    const life = this.#modules.lives().find(({ instance }) => instance.address === address);
    checks.note(invariant);
    if (life === undefined || life.instance.everLied || timeline.nowMs - life.startedMs < YOUNG_MS) return;
    this.#modules.report(invariant, `${life.name} has used up all nonces of ${name}`, life.name);
  }
}
