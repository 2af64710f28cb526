/**
 * Who this node is: its enclave's wallet and teePubkey, and which member has that wallet (protocol.md §1, step 2).
 *
 * `NodeIdentity` is built before every room that needs the identity, and is the only place that asks the enclave for it. Until the first
 * answer there is no identity, and no member counts as this node.
 */
import { retry, within } from '../domain/deadline.ts';
import type { Wallet } from '../domain/ids.ts';
import { READ_ATTEMPTS } from '../domain/limits.ts';
import type { Member, Membership } from '../domain/membership.ts';
import type { Clock, Enclave, Identity } from '../domain/ports.ts';

/** Pause before the second attempt; the pause before the third is twice as long. Milliseconds. */
const RETRY_PAUSE_MS = 250;
/** Timeout of one attempt. All attempts and their pauses fit into the step's 10 s, even if each attempt hangs. Milliseconds. */
const TRY_TIMEOUT_MS = 3_000;

export interface NodeIdentityModules {
  readonly clock: Clock;
  readonly enclave: Pick<Enclave, 'address' | 'publicKey'>;
  /** Called when the wallet has changed. A new wallet means a new node: what other nodes know about the old one does not apply to it. */
  readonly onOtherWallet: (before: Wallet, now: Wallet) => void;
}

export class NodeIdentity {
  readonly #modules: NodeIdentityModules;
  #current: Identity | null = null;

  constructor(modules: NodeIdentityModules) {
    this.#modules = modules;
  }

  /** Null until the enclave's first answer. */
  current(): Identity | null {
    return this.#current;
  }

  /** Null until the enclave's first answer. */
  wallet(): Wallet | null {
    return this.#current?.wallet ?? null;
  }

  /**
   * Asks the enclave for wallet and teePubkey each time, because an enclave that has rebooted has a new teePubkey and may have a new wallet
   * (protocol.md §10, The identity may change).
   * @throws DependencyError or DeadlineError when no attempt succeeded; the previous identity is kept
   */
  async refresh(signal: AbortSignal): Promise<Identity> {
    const { clock, enclave } = this.#modules;
    const identity = await retry(clock, READ_ATTEMPTS, RETRY_PAUSE_MS, signal, () =>
      within(clock, 'the enclave API', TRY_TIMEOUT_MS, signal, async (limit) => {
        const [wallet, teePubkey] = await Promise.all([enclave.address(limit), enclave.publicKey(limit)]);
        return { wallet, teePubkey };
      }),
    );
    signal.throwIfAborted();
    const before = this.wallet();
    this.#current = identity;
    if (before !== null && before !== identity.wallet) this.#modules.onOtherWallet(before, identity.wallet);
    return identity;
  }

  /** This node's entry in the membership; undefined if it has none, or if the enclave has not answered yet. */
  ownEntry(membership: Membership | null): Member | undefined {
    return membership?.members.find(({ wallet }) => wallet === this.wallet());
  }

  /** The members besides this node. */
  others(membership: Membership | null): readonly Member[] {
    return membership?.members.filter(({ wallet }) => wallet !== this.wallet()) ?? [];
  }
}
