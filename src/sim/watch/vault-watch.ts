/** Checks the vault of one process (protocol.md §10, A reset hash): a node may use only the secret whose hash the chain showed last. */
import { ZERO_HASH, type Hash32 } from '../../domain/ids.ts';
import type { SecretLife } from '../../machines/secret-life.ts';
import type { Life } from '../world/sim-node.ts';
import type { Checks, Report } from './violation.ts';

export interface VaultWatchModules {
  readonly report: Report;
  readonly checks: Checks;
}

/** Wraps the `observe` method of the process's master secret, to run the checks after each call. */
export function watchVault(life: Life, { report, checks }: VaultWatchModules): void {
  const { secret, vault } = life.node.inside;
  const observe = secret.observe.bind(secret);
  secret.observe = (event) => {
    const step = observe(event);
    checks.note('the vault holds exactly the known secrets');
    const known = knownHashes(secret.life);
    if (known.length !== vault.heldHashes().length || known.some((hash) => !vault.heldHashes().includes(hash))) {
      report('the vault holds exactly the known secrets', `${life.name} knows ${known.length} secrets and holds ${vault.heldHashes().length}`);
    }
    if (event.type !== 'chain.shows') return step;
    checks.note('a node uses only the secret whose hash the chain showed last');
    const serving = vault.servingHash();
    if (serving !== null && (serving !== event.hash || event.hash === ZERO_HASH)) {
      report('a node uses only the secret whose hash the chain showed last', `${life.name} still uses a different secret`);
    }
    return step;
  };
}

function knownHashes(life: SecretLife): readonly Hash32[] {
  return [...(life.stage === 'none' ? [] : [life.secret.hash]), ...life.aside.map(({ hash }) => hash)];
}
