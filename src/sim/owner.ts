/** The owner of a simulated cluster: like an operator, it resets the hash when the cluster cannot recover by itself. */
import { ZERO_HASH } from '../domain/ids.ts';
import type { Simulation } from './simulation.ts';

/** Time between two checks. Milliseconds. */
const OWNER_LOOKS_MS = 30_000;
/** The owner resets the hash after this many consecutive checks in which no node held the secret. */
const OWNER_PATIENCE = 3;

/** Watches for a secret that no node holds although the chain shows its hash. After a while the owner resets the hash. */
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
