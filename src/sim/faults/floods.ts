/**
 * Floods of one node through the platform's ingress. They come from a stranger, or from an app that keeps the maximum number of requests
 * under way. A flood is not a disturbance: the node must still answer callers with a valid proof.
 */
import { LOOPBACK } from '../world/sim-network.ts';
import type { SimNode } from '../world/sim-node.ts';
import { SeededRandom } from '../world/seeded.ts';
import { SimClock } from '../world/sim-clock.ts';
import type { FaultScene } from './fault-scene.ts';
import { holdRequests } from './holder.ts';
import { Stranger, type FloodKind } from './stranger.ts';

export class Floods {
  readonly #scene: FaultScene;
  readonly #flooded = new Set<string>();

  constructor(scene: FaultScene) {
    this.#scene = scene;
  }

  /** Whether the node is being flooded. */
  isFlooded(name: string): boolean {
    return this.#flooded.has(name);
  }

  /** @returns a function that ends the flood; null when the node is already being flooded */
  beginStranger(node: SimNode, kind: FloodKind, perSecond: number): (() => void) | null {
    const { timeline, network, seed } = this.#scene;
    if (this.isFlooded(node.name)) return null;
    const owner = { name: 'stranger', gone: false, frozenUntilMs: 0 };
    const clock = new SimClock(timeline, owner);
    const stranger = new Stranger({
      clock,
      random: new SeededRandom(`${seed}/stranger at ${node.name} at ${timeline.nowMs}`),
      transport: network.transportOf(owner, clock, LOOPBACK),
      onFault: (what) => this.#scene.onFault(what),
    });
    stranger.flood(kind, node, perSecond);
    return this.#through(node, () => stranger.end());
  }

  /** @returns the same as `beginStranger` */
  beginHolder(node: SimNode, perSecond: number): (() => void) | null {
    const { timeline, holder } = this.#scene;
    if (this.isFlooded(node.name)) return null;
    const clock = new SimClock(timeline, { name: 'holder', gone: false, frozenUntilMs: 0 });
    return this.#through(node, holdRequests(node, perSecond, { clock, app: holder, onFault: (what) => this.#scene.onFault(what) }));
  }

  /** Gives all callers of the node the loopback address for the duration of the flood. @returns a function that ends the flood */
  #through({ name }: SimNode, end: () => void): () => void {
    const { network } = this.#scene;
    this.#flooded.add(name);
    network.setBehindProxy(name, true);
    return () => {
      end();
      this.#flooded.delete(name);
      network.setBehindProxy(name, false);
    };
  }
}
