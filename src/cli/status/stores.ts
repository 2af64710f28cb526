/** Compares stores by their roots. Recent writes need time to reach all nodes, so stores that differ are compared again a few times. */
import { sleep } from '../../domain/deadline.ts';
import type { Clock } from '../../domain/ports.ts';
import type { StatusAnswer } from './answer.ts';

/** Pause before stores that differed are compared again. Milliseconds. */
const LOOK_AGAIN_MS = 2_000;
/** Number of comparisons before stores are reported as different. */
const LOOKS = 4;

export interface StoresComparison {
  /** Number of ready nodes that returned the root of their store. */
  readonly nodes: number;
  /** Number of different stores among these nodes; 1 when all stores are equal. */
  readonly stores: number;
}

/** @param look returns the status of each node, or null for a node without a status; it is called again while stores differ */
export async function compareStores(look: () => Promise<readonly (StatusAnswer | null)[]>, clock: Clock, signal: AbortSignal): Promise<StoresComparison> {
  for (let looked = 1; ; looked += 1) {
    const ready = (await look()).filter((status) => status?.node.service_available === true);
    const roots = ready.map((status) => status!.data_store.root).filter((root) => root !== null);
    const compared = { nodes: roots.length, stores: new Set(roots).size };
    if (compared.stores <= 1 || looked >= LOOKS) return compared;
    await sleep(clock, LOOK_AGAIN_MS, signal);
  }
}

export function storesLine({ nodes, stores }: StoresComparison): string {
  if (nodes < 2) return 'fewer than two ready nodes report what their store holds';
  return stores === 1 ? `${nodes} ready nodes hold the same records` : `${nodes} ready nodes hold ${stores} different sets of records`;
}
