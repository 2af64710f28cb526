/**
 * Decides whether a peer may call this node (protocol.md §3). This file uses the membership from the peer cache and does not read the
 * chain.
 */
import type { Wallet } from '../domain/ids.ts';
import type { Member, Membership } from '../domain/membership.ts';

/**
 * The member, or null if the peer is not authorized. A member needs a teePubkey, because the answer is encrypted to that key. The app
 * was checked when the membership was read; status and zkVerified are checked again here.
 */
export function authorizePeer(wallet: Wallet, membership: Membership): Member | null {
  const member = membership.members.find((candidate) => candidate.wallet === wallet);
  if (member === undefined || member.teePubkey === '') return null;
  const { status, zkVerified } = member.instance;
  return status === 'ACTIVE' && zkVerified ? member : null;
}
