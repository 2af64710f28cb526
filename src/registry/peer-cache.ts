/** The peer cache: the membership of the last good refresh. A failed refresh leaves it as it is (protocol.md §6). */
import { elapsedMs } from '../domain/elapsed.ts';
import type { Membership } from '../domain/membership.ts';
import type { Clock, PeerDirectory } from '../domain/ports.ts';

export class PeerCache implements PeerDirectory {
  readonly #elapsedMs: () => number;
  #membership: Membership | null = null;
  #refreshedAtMs = -Infinity;

  constructor(modules: { readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'> }) {
    this.#elapsedMs = elapsedMs(modules.clock);
  }

  update(membership: Membership): void {
    this.#membership = membership;
    this.#refreshedAtMs = this.#elapsedMs();
  }

  membership(): Membership | null {
    return this.#membership;
  }

  /** Time since the last good refresh, including time when the machine was asleep. */
  ageMs(): number {
    return this.#elapsedMs() - this.#refreshedAtMs;
  }
}
