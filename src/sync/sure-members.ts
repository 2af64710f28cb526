/**
 * What is heard of other members about being sure (protocol.md §10, "404 means absent"): whether they say so, and of whom
 * everything was merged. This room observes; what follows from it is decided in `machines/sureness.ts`.
 */
import type { StoreId } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import { PeerError } from './peer-error.ts';

export interface SureListener {
  /** A member has given a snapshot page or a digest, with `"sure": true` or without. */
  onAnswered(member: Member, sure: boolean): void;
  /** It was asked for one, and nothing came. */
  onSilent(member: Member): void;
  /** All that it holds was looked at, by its snapshot or by a comparison that came to its end. */
  onMerged(member: Member, merged: MergedMember): void;
}

export interface MergedMember {
  /** The own store that took it. */
  readonly store: StoreId;
  /** The member said with every answer that it is sure. */
  readonly sure: boolean;
  /** Some of it could not be taken for want of time or room (`too_far_ahead`, `store_full`). */
  readonly leftOut: boolean;
}

/** Tells what a failure says of the member that was asked. One that is not ready, or was cut off for too long, answers 503: it is not sure. */
export function noteFailedAsking(listener: SureListener, member: Member, error: unknown): void {
  if (!(error instanceof PeerError) || error.failure === 'aborted') return;
  if (error.failure === 'refused' && error.status === 503) listener.onAnswered(member, false);
  else listener.onSilent(member);
}
