/**
 * The order in which members are asked: first the preferred member, then the other good members (starting at a random one), then members
 * that were recently silent, and last the members that sent a wrong answer. A preferred member that was silent or wrong is not asked first.
 */
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';

/** How a member has answered recently. */
export type Standing = 'good' | 'silent' | 'wrong';

const RANK: Readonly<Record<Standing, number>> = { good: 1, silent: 2, wrong: 3 };

/** @param unit a random number in [0, 1) that chooses where the order starts, so that not all nodes ask the same member first */
export function askOrder(
  members: readonly Member[],
  preferred: Wallet | null,
  standingOf: (member: Member) => Standing,
  unit: number,
): Member[] {
  const start = Math.floor(unit * members.length);
  const circle = [...members.slice(start), ...members.slice(0, start)];
  const rank = (member: Member): number => {
    const standing = standingOf(member);
    return standing === 'good' && member.wallet === preferred ? 0 : RANK[standing];
  };
  return circle.map((member, place) => ({ member, place })).sort((a, b) => rank(a.member) - rank(b.member) || a.place - b.place).map(({ member }) => member);
}
