/** The peer cache: the membership of the last good refresh. A failed refresh leaves it as it is (protocol.md §6). */
import type { Membership } from '../domain/membership.ts';
import type { Clock, PeerDirectory } from '../domain/ports.ts';

export class PeerCache implements PeerDirectory {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #membership: Membership | null = null;
  #refreshedAtMs = -Infinity;

  constructor(modules: { readonly clock: Pick<Clock, 'monotonicMs'> }) {
    this.#clock = modules.clock;
  }

  update(membership: Membership): void {
    this.#membership = membership;
    this.#refreshedAtMs = this.#clock.monotonicMs();
  }

  membership(): Membership | null {
    return this.#membership;
  }

  ageMs(): number {
    return this.#clock.monotonicMs() - this.#refreshedAtMs;
  }
}
