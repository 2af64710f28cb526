/** All current members except this node, as replicas of its store (protocol.md §10, Who sends what). */
import type { ReplicationFigures } from '../domain/figures.ts';
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import { Replica, type ReplicaModules } from './replica.ts';

export class Replicas {
  readonly #modules: ReplicaModules;
  readonly #replicas = new Map<Wallet, Replica>();
  /** The highest acknowledged sequence of any peer that has been forgotten. */
  #acknowledgedByForgotten = 0;

  constructor(modules: ReplicaModules) {
    this.#modules = modules;
  }

  /** A peer whose teePubkey has changed is treated as a new peer. */
  of(member: Member): Replica {
    const known = this.#replicas.get(member.wallet);
    if (known?.teePubkey === member.teePubkey) return known;
    if (known !== undefined) this.#forget(known);
    const fresh = new Replica(member, this.#modules);
    this.#replicas.set(member.wallet, fresh);
    return fresh;
  }

  /**
   * The replica of a member; null if the member has left or has another teePubkey now. Use this for work that may end after its member has
   * left, because `of` would add the member again.
   */
  find(member: Member): Replica | null {
    const known = this.#replicas.get(member.wallet);
    return known?.teePubkey === member.teePubkey ? known : null;
  }

  /** Forgets peers that are no longer members, and adds new ones. @param members all members except this node */
  keepOnly(members: readonly Member[]): void {
    const wallets = new Set(members.map(({ wallet }) => wallet));
    for (const replica of this.#replicas.values()) if (!wallets.has(replica.wallet)) this.#forget(replica);
    for (const member of members) this.of(member);
  }

  /** Called when this node's store was emptied. No peer has acknowledged a write of the new store. Sequence numbers keep rising. */
  resetAll(): void {
    for (const replica of this.#replicas.values()) replica.reset();
  }

  /** Whether it is certain that every current peer has merged or skipped this write of this node; true if there are no peers. */
  takenByAll(sequenceNumber: number): boolean {
    return [...this.#replicas.values()].every(({ progress }) => progress.hasTaken(sequenceNumber));
  }

  /** The highest acknowledged sequence that any peer has ever had. No peer has acknowledged a later write of this node. */
  acknowledgedByAny(): number {
    return Math.max(this.#acknowledgedByForgotten, ...[...this.#replicas.values()].map(({ progress }) => progress.highestAcknowledged));
  }

  all(): Iterable<Replica> {
    return this.#replicas.values();
  }

  views(): readonly ReplicationFigures[] {
    return [...this.#replicas.values()].map((replica) => replica.view());
  }

  #forget(replica: Replica): void {
    this.#acknowledgedByForgotten = Math.max(this.#acknowledgedByForgotten, replica.progress.highestAcknowledged);
    replica.close();
    this.#replicas.delete(replica.wallet);
  }
}
