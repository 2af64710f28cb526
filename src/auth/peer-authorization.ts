/** May this peer ask (protocol.md §3)? The peer cache alone decides: no chain read on this path. */
import type { Wallet } from '../domain/ids.ts';
import type { Member, Membership } from '../domain/membership.ts';

/** The member, or null. Membership has already seen to ACTIVE, zkVerified and the app; a key to answer to must be there. */
export function authorizePeer(wallet: Wallet, membership: Membership): Member | null {
  const member = membership.members.find((candidate) => candidate.wallet === wallet);
  if (member === undefined || member.teePubkey === '') return null;
  const { status, zkVerified } = member.instance;
  return status === 'ACTIVE' && zkVerified ? member : null;
}
