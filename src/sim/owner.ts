/** The owner of a simulated cluster: it does what an operator does where nothing else helps. */
import { ZERO_HASH } from '../domain/ids.ts';
import type { Simulation } from './simulation.ts';

/** How often an owner looks, and how often in a row the secret must be missing. */
const OWNER_LOOKS_MS = 30_000;
const OWNER_PATIENCE = 3;

/** Where no node holds the secret that the chain shows, the owner resets the hash after a while, so that the cluster can begin again. */
export function watchAsOwner(simulation: Simulation): void {
  let missing = 0;
  const look = (): void => {
    const { hash } = simulation.chain.deepState;
    const isHeld = hash === ZERO_HASH || simulation.lives().some(({ node: { inside } }) => inside.vault.servingHash() === hash || inside.secret.claimableHash() === hash);
    missing = isHeld ? 0 : missing + 1;
    if (missing >= OWNER_PATIENCE) {
      missing = 0;
      simulation.apply({ do: 'fault', kind: 'hash reset' });
    }
    simulation.timeline.after(OWNER_LOOKS_MS, null, look);
  };
  simulation.timeline.after(OWNER_LOOKS_MS, null, look);
}
