/** Whether nodes hold the same: compared by the roots of their stores, a few times, since writes of the moment take a while to arrive. */
import { sleep } from '../../domain/deadline.ts';
import type { Clock } from '../../domain/ports.ts';
import type { StatusAnswer } from './answer.ts';

/** Between two looks at stores that differ. Milliseconds. */
const LOOK_AGAIN_MS = 2_000;
/** How often stores are looked at before they are said to differ. */
const LOOKS = 4;

export interface StoresComparison {
  /** Ready nodes that say what their store holds. */
  readonly nodes: number;
  /** How many different stores they hold; 1 when they agree. */
  readonly stores: number;
}

/** @param look the status of each node, or null; called again while stores differ */
export async function compareStores(look: () => Promise<readonly (StatusAnswer | null)[]>, clock: Clock, signal: AbortSignal): Promise<StoresComparison> {
  for (let looked = 1; ; looked += 1) {
    const ready = (await look()).filter((status) => status?.node.service_available === true);
    const roots = ready.map((status) => status!.data_store.root).filter((root) => root !== null);
    const compared = { nodes: roots.length, stores: new Set(roots).size };
    if (compared.stores <= 1 || looked >= LOOKS) return compared;
    await sleep(clock, LOOK_AGAIN_MS, signal);
  }
}

/** In one line. */
export function storesLine({ nodes, stores }: StoresComparison): string {
  if (nodes < 2) return 'fewer than two ready nodes say what their store holds';
  return stores === 1 ? `${nodes} ready nodes hold the same` : `${nodes} ready nodes hold ${stores} different stores`;
}
