/**
 * A node that is no longer a member soon gets the secret from no one (protocol.md §6, Freshness): from the moment at which some
 * honest node has read the chain without it, all others must know soon, or hand out nothing.
 */
import type { Wallet } from '../../domain/ids.ts';
import type { SimChain } from '../world/sim-chain.ts';
import { isMember } from './node-watch.ts';

export interface RevocationWatchModules {
  readonly chain: SimChain;
  /** Simulated milliseconds. */
  readonly nowMs: () => number;
}

interface Absence {
  /** Simulated milliseconds. */
  readonly sinceMs: number;
  /** The latest block that was read in which it was not a member. */
  readonly block: number;
}

export class RevocationWatch {
  readonly #modules: RevocationWatchModules;
  /** Instances that were members once and are not in what an honest node has read. */
  readonly #absent = new Map<Wallet, Absence>();
  #latestBlock = -1;

  constructor(modules: RevocationWatchModules) {
    this.#modules = modules;
  }

  /** An honest node has a view of the chain at this block. */
  noteView(block: number): void {
    if (block <= this.#latestBlock) return;
    this.#latestBlock = block;
    const { chain, nowMs } = this.#modules;
    const state = chain.stateAt(block);
    for (const instance of state.instances.values()) {
      if (isMember(state, instance)) this.#absent.delete(instance.wallet);
      else this.#absent.set(instance.wallet, { sinceMs: this.#absent.get(instance.wallet)?.sinceMs ?? nowMs(), block });
    }
  }

  /** For how long some honest node has known that it is not a member; 0: none knows. Milliseconds. */
  absentForMs(wallet: Wallet): number {
    const absence = this.#absent.get(wallet);
    return absence === undefined ? 0 : this.#modules.nowMs() - absence.sinceMs;
  }
}
