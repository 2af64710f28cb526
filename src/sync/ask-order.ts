/** In which order members are asked: a preferred one first, those that proved wrong last, the rest in an order of the day. */
import type { Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';

/** @param unit uniform in [0, 1): where in the circle of members to begin, so that not all nodes ask the same one */
export function askOrder(members: readonly Member[], preferred: Wallet | null, isWrong: (member: Member) => boolean, unit: number): Member[] {
  const start = Math.floor(unit * members.length);
  const circle = [...members.slice(start), ...members.slice(0, start)];
  const rank = (member: Member): number => (isWrong(member) ? 2 : member.wallet === preferred ? 0 : 1);
  return circle.map((member, place) => ({ member, place })).sort((a, b) => rank(a.member) - rank(b.member) || a.place - b.place).map(({ member }) => member);
}
