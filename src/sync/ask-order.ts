/**
 * In which order members are asked: a preferred one first, the rest in an order of the day, then those that were silent a short
 * while ago, and those that proved wrong last.
 */
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';

/** What is remembered of a member. */
export type Standing = 'good' | 'silent' | 'wrong';

const RANK: Readonly<Record<Standing, number>> = { good: 1, silent: 2, wrong: 3 };

/** @param unit uniform in [0, 1): where in the circle of members to begin, so that not all nodes ask the same one */
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
