/**
 * Holds the vault of one process against protocol.md §10, A reset hash: by the hash that the chain showed last, one secret
 * serves, or none.
 */
import { ZERO_HASH } from '../../domain/ids.ts';
import type { Life } from '../world/sim-node.ts';
import type { Checks, Report } from './violation.ts';

export interface VaultWatchModules {
  readonly report: Report;
  readonly checks: Checks;
}

/** Sits between a vault and whoever tells it what the chain shows. */
export function watchVault(life: Life, { report, checks }: VaultWatchModules): void {
  const { vault } = life.node.inside;
  const observe = vault.observeChainHash.bind(vault);
  vault.observeChainHash = (hash) => {
    const observed = observe(hash);
    checks.note('a secret serves by the hash that the chain showed last');
    const confirmed = vault.confirmedHash();
    if (confirmed !== null && (confirmed !== hash || hash === ZERO_HASH)) {
      report('a secret serves by the hash that the chain showed last', `${life.name} goes on with another one`);
    }
    return observed;
  };
}
