/**
 * Who this node is: the wallet and the teePubkey of its enclave, and which member of a membership that is (protocol.md §1, step 2).
 *
 * It is built before every room that has to know, and is the only place that asks the enclave. Until the first answer has come
 * there is no identity, and no member is this node.
 */
import { retry, within } from '../domain/deadline.ts';
import type { Wallet } from '../domain/ids.ts';
import { READ_ATTEMPTS } from '../domain/limits.ts';
import type { Member, Membership } from '../domain/membership.ts';
import type { Clock, Enclave, Identity } from '../domain/ports.ts';

/** Pause before the second try; twice that before the third. Milliseconds. */
const RETRY_PAUSE_MS = 250;
/** One try: all of them and their pauses fit into the step's 10 s, also when each hangs. Milliseconds. */
const TRY_TIMEOUT_MS = 3_000;

export interface NodeIdentityModules {
  readonly clock: Clock;
  readonly enclave: Pick<Enclave, 'address' | 'publicKey'>;
  /** Another wallet is another node: what others know of the old one is not known of this one. */
  readonly onOtherWallet: (before: Wallet, now: Wallet) => void;
}

export class NodeIdentity {
  readonly #modules: NodeIdentityModules;
  #current: Identity | null = null;

  constructor(modules: NodeIdentityModules) {
    this.#modules = modules;
  }

  /** Null until the enclave has answered once. */
  current(): Identity | null {
    return this.#current;
  }

  /** Null until the enclave has answered once. */
  wallet(): Wallet | null {
    return this.#current?.wallet ?? null;
  }

  /**
   * Asks the enclave for both, each time: an enclave that boots again has another teePubkey, and may have another wallet (protocol.md
   * §10, The identity may change).
   * @throws DependencyError or DeadlineError when no try succeeded; what was known before stays
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

  /** The entry of this node; undefined when it has none, or when the enclave has not answered yet. */
  ownEntry(membership: Membership | null): Member | undefined {
    return membership?.members.find(({ wallet }) => wallet === this.wallet());
  }

  /** The members besides this node. */
  others(membership: Membership | null): readonly Member[] {
    return membership?.members.filter(({ wallet }) => wallet !== this.wallet()) ?? [];
  }
}
