/** Decides from the membership whether this node may serve (protocol.md §1, step 2) and whether it may claim the hash (step 3). */
import { parseTeePubkey } from '../domain/ids.ts';
import type { Member, Membership } from '../domain/membership.ts';
import type { Identity } from '../domain/ports.ts';
import { REASONS, reason, type Reason } from '../domain/reasons.ts';

/** Why this node is not eligible; null when it is. The comparison of teePubkeys ignores case and `0x`. */
export function judgeEligibility(identity: Identity, membership: Membership): Reason | null {
  const own = membership.members.find(({ wallet }) => wallet === identity.wallet);
  if (own === undefined) {
    const dropped = membership.dropped.find(({ wallet }) => wallet === identity.wallet);
    return reason(REASONS.selfNotInNodeList, dropped?.why ?? null);
  }
  const matches = own.teePubkey !== '' && parseTeePubkey(own.teePubkey) === parseTeePubkey(identity.teePubkey);
  return matches ? null : reason(REASONS.teePubkeyMismatch);
}

/** A node whose version is deprecated may serve, but must not set the hash (protocol.md §6). */
export function mayClaim(own: Member | undefined): boolean {
  return own?.versionStatus === 'ENROLLED';
}
