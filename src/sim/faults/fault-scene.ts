/** The port through which faults change a simulation and report to it. A simulation implements this port. */
import type { ClusterWatch } from '../watch/cluster-watch.ts';
import type { Checks } from '../watch/violation.ts';
import type { SimApp } from '../world/sim-app.ts';
import type { SimChain } from '../world/sim-chain.ts';
import type { SimNetwork } from '../world/sim-network.ts';
import type { SimNode } from '../world/sim-node.ts';
import type { Timeline } from '../world/timeline.ts';

export interface FaultScene {
  readonly seed: string;
  readonly timeline: Timeline;
  readonly chain: SimChain;
  readonly network: SimNetwork;
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly apps: readonly SimApp[];
  /** An extra app that only floods nodes. */
  readonly holder: SimApp;
  readonly checks: Checks;
  readonly watch: ClusterWatch;
  /** How many times the owner has reset the hash. */
  resets: number;
  addNode(): SimNode;
  /** Adds and registers an older node. @returns false when there are already enough older nodes */
  addOlderNode(): boolean;
  versionOf(place: number): { readonly versionId: bigint };
  /** Registers the teePubkey of the node's current process. */
  register(node: SimNode, fields?: object): void;
  /**
   * Marks a node as disturbed for some time, during which rules about undisturbed nodes do not apply.
   * @param name the name of the node; all nodes if empty
   */
  disturb(name: string, forMs: number): void;
  note(text: string): void;
  report(invariant: string, detail: string): void;
  onFault(kind: string): void;
}
