/**
 * Records how long honest nodes have known that an instance is not a member (protocol.md §6, Freshness). Soon after one honest
 * node has read a block in which the instance is not a member, no other node may hand out the secret to that instance.
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
  /** When an honest node first read a block in which the instance was not a member. Simulated milliseconds. */
  readonly sinceMs: number;
  /** The latest block that an honest node read and in which the instance was not a member. */
  readonly block: number;
}

export class RevocationWatch {
  readonly #modules: RevocationWatchModules;
  /** Registered instances that are not members at the latest block that an honest node has read. */
  readonly #absent = new Map<Wallet, Absence>();
  #latestBlock = -1;

  constructor(modules: RevocationWatchModules) {
    this.#modules = modules;
  }

  /** Notes that an honest node has a view of this block. */
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

  /** How long an honest node has known that the instance is not a member; 0 if no honest node knows it. Milliseconds. */
  absentForMs(wallet: Wallet): number {
    const absence = this.#absent.get(wallet);
    return absence === undefined ? 0 : this.#modules.nowMs() - absence.sinceMs;
  }
}
