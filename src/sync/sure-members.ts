/**
 * Reports which members say that they are sure (protocol.md §10, "404 means absent"), and from which members this node has merged all
 * records. `sync` only reports this; `machines/sureness.ts` decides whether this node is sure.
 */
import type { StoreId } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import { PeerError } from './peer-error.ts';

export interface SureListener {
  /**
   * Called when a member has sent a requested snapshot page or digest, or has refused the request with 503.
   * @param sure whether the member said `"sure": true`
   */
  onAnswered(member: Member, sure: boolean): void;
  /** Called when a request for a snapshot page or a digest failed in any other way. */
  onSilent(member: Member): void;
  /** Called when this node has received all records of a member, in a snapshot or in a complete round of anti-entropy. */
  onMerged(member: Member, merged: MergedMember): void;
}

export interface MergedMember {
  /** The id of this node's store at the time when the records were merged. */
  readonly store: StoreId;
  /** Whether the member said in every answer that it is sure. */
  readonly sure: boolean;
  /** Whether some records were left out (`too_far_ahead`, `store_full`). */
  readonly leftOut: boolean;
}

/** Reports what a failed request says about the member. A member that is not ready or is stale answers 503, so it is not sure. */
export function noteFailedAsking(listener: SureListener, member: Member, error: unknown): void {
  if (!(error instanceof PeerError) || error.failure === 'aborted') return;
  if (error.failure === 'refused' && error.status === 503) listener.onAnswered(member, false);
  else listener.onSilent(member);
}
