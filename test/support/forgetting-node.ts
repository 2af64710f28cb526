/** A fault that makes a simulation break a rule, for tests that need a broken rule. */
import type { Life } from '../../src/sim/world/sim-node.ts';

/** One of the keys that the scenario of seed 3 writes. */
export const FORGOTTEN_KEY = 'key-14';

/** Node b reports that it has merged one key, although it has not. */
export function forgetOneKey({ name, node }: Life): void {
  if (name !== 'b') return;
  const { store } = node.inside;
  const merge = store.merge.bind(store);
  store.merge = (appId, wire, nowMs) =>
    (wire as { readonly key?: unknown }).key === FORGOTTEN_KEY ? { kind: 'merged' } : merge(appId, wire, nowMs);
}
