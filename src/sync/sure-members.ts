/**
 * Which members say that they are sure (protocol.md §10, "404 means absent"), and which members' records have all been merged. `sync` only
 * observes this; `machines/sureness.ts` decides what follows from it.
 */
import type { StoreId } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import { PeerError } from './peer-error.ts';

export interface SureListener {
  /** A member gave a snapshot page or a digest. @param sure whether it said `"sure": true` */
  onAnswered(member: Member, sure: boolean): void;
  /** A member was asked for a snapshot page or a digest and gave none. */
  onSilent(member: Member): void;
  /** A snapshot or a complete round of anti-entropy covered all that a member holds. */
  onMerged(member: Member, merged: MergedMember): void;
}

export interface MergedMember {
  /** The id of this node's store that took the records. */
  readonly store: StoreId;
  /** Every answer of the member has said that it is sure. */
  readonly sure: boolean;
  /** Some records were left out (`too_far_ahead`, `store_full`). */
  readonly leftOut: boolean;
}

/** Reports what a failed request says about the member. A member that is not ready or is stale answers 503, so it is not sure. */
export function noteFailedAsking(listener: SureListener, member: Member, error: unknown): void {
  if (!(error instanceof PeerError) || error.failure === 'aborted') return;
  if (error.failure === 'refused' && error.status === 503) listener.onAnswered(member, false);
  else listener.onSilent(member);
}
