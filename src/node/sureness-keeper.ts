/**
 * Whether this node may say that a key is absent (protocol.md §10, "404 means absent"). The keeper passes observations to the rule
 * (`machines/sureness.ts`) and keeps the resulting state. A request needs only three checks: the state says that the node is sure,
 * the state is about the current store, and the node is not stale.
 */
import type { SurenessFigures } from '../domain/figures.ts';
import type { StoreId, Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Log } from '../domain/ports.ts';
import { isSure, nextSureness, UNSURE, waitsFor, type Sureness, type SurenessEvent, type SurenessLimits } from '../machines/sureness.ts';
import type { MergedMember, SureListener } from '../sync/sure-members.ts';

export interface SurenessKeeperModules {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Log;
  readonly storeId: () => StoreId;
  /** The store_id that a member reported last; null if it reports none. */
  readonly storeIdOf: (member: Member) => string | null;
  readonly isStale: () => boolean;
}

export class SurenessKeeper implements SureListener {
  readonly #limits: SurenessLimits;
  readonly #modules: SurenessKeeperModules;
  #state: Sureness = UNSURE;

  constructor(limits: SurenessLimits, modules: SurenessKeeperModules) {
    this.#limits = limits;
    this.#modules = modules;
  }

  /** A stale node answers like a node that is not sure. */
  isSure(): boolean {
    return this.hasBecomeSure() && !this.#modules.isStale();
  }

  /** Whether the node has become sure of its current store. This stays true while the node is stale, although `isSure` is then false. */
  hasBecomeSure(): boolean {
    return isSure(this.#state) && this.#state.store === this.#modules.storeId();
  }

  waitsFor(): readonly Wallet[] {
    this.#noteStore();
    return waitsFor(this.#state);
  }

  figures(): SurenessFigures {
    return { sure: this.isSure(), by: this.hasBecomeSure() ? this.#state.by : null, waitsFor: this.waitsFor() };
  }

  /**
   * Records what a node_tick of an eligible node has read.
   * @param claimedHere whether this process claimed the hash of the store's secret
   */
  noteTick(others: readonly Member[], claimedHere: boolean): void {
    this.noteMembers(others);
    if (claimedHere) this.#observe({ type: 'hash.claimed', store: this.#modules.storeId() });
  }

  /** Records the members that an eligible node has read. */
  noteMembers(others: readonly Member[]): void {
    this.#observe({ type: 'members.read', others: others.map(({ wallet }) => wallet) });
  }

  /** Called when this node hands out the secret: from now on, another node may accept writes. */
  noteHandedOut(): void {
    this.#observe({ type: 'secret.handedOut', store: this.#modules.storeId() });
  }

  noteAskingBegan(): void {
    this.#observe({ type: 'asking.began', nowMs: this.#modules.clock.monotonicMs() });
  }

  noteAskingEnded(): void {
    this.#observe({ type: 'asking.ended', nowMs: this.#modules.clock.monotonicMs() });
  }

  onAnswered(member: Member, sure: boolean): void {
    this.#observe({ type: 'member.answered', wallet: member.wallet, storeId: this.#modules.storeIdOf(member), sure });
  }

  onSilent({ wallet }: Member): void {
    this.#observe({ type: 'member.silent', wallet, nowMs: this.#modules.clock.monotonicMs() });
  }

  onMerged(member: Member, merged: MergedMember): void {
    this.#observe({ type: 'member.merged', ...merged, wallet: member.wallet, storeId: this.#modules.storeIdOf(member) });
  }

  /** If the store is new, starts with no knowledge about it. */
  #noteStore(): void {
    const store = this.#modules.storeId();
    if (this.#state.store !== store) this.#state = nextSureness(this.#state, { type: 'store.began', store }, this.#limits);
  }

  #observe(event: SurenessEvent): void {
    const { log } = this.#modules;
    this.#noteStore();
    const before = this.#state;
    this.#state = nextSureness(before, event, this.#limits);
    const { by } = this.#state;
    if (before.by !== null || by === null) return;
    if (by === 'in_vain') {
      log.error('this node has tried in vain for an hour to become sure of its store: from now on it answers 404 for keys that it does not hold, although it is not sure that they are absent', {
        waited_for: waitsFor(before).length,
      });
    } else log.info('this node is sure of its store: from now on it can answer that a key is absent', { by });
  }
}
