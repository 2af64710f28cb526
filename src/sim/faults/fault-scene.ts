/** The port of the faults: what they are done to, and who is told. A simulation is one. */
import type { ClusterWatch } from '../watch/cluster-watch.ts';
import type { Checks } from '../watch/violation.ts';
import type { SimApp } from '../world/sim-app.ts';
import type { SimChain } from '../world/sim-chain.ts';
import type { SimNetwork } from '../world/sim-network.ts';
import type { SimNode } from '../world/sim-node.ts';
import type { Timeline } from '../world/timeline.ts';

/** What faults are done to. */
export interface FaultScene {
  readonly seed: string;
  readonly timeline: Timeline;
  readonly chain: SimChain;
  readonly network: SimNetwork;
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly apps: readonly SimApp[];
  /** One app more, which floods nodes now and then. */
  readonly holder: SimApp;
  readonly checks: Checks;
  readonly watch: ClusterWatch;
  /** How often the owner has reset the hash. */
  resets: number;
  addNode(): SimNode;
  /** A member of an older kind joins. @returns whether there is room for one more */
  addOlderNode(): boolean;
  versionOf(place: number): { readonly versionId: bigint };
  /** The registry learns the key of the process that runs. */
  register(node: SimNode, fields?: object): void;
  /** From now on, and for so long, nothing is promised of it. @param name empty: of all */
  disturb(name: string, forMs: number): void;
  note(text: string): void;
  report(invariant: string, detail: string): void;
  onFault(kind: string): void;
}
