/** The order in which members are asked (protocol.md §5, §8 PEER_BLACKLIST_DURATION_SECONDS). */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Wallet } from '../../../src/domain/ids.ts';
import type { Member } from '../../../src/domain/membership.ts';
import { askOrder, type Standing } from '../../../src/sync/ask-order.ts';
import { memberOf } from '../../support/members.ts';

const MEMBERS = ['a', 'b', 'c', 'd'].map((digit) => memberOf(`0x${digit.repeat(40)}` as Wallet, ''));

function orderOf(preferred: string | null, wrong: string, unit: number, silent = ''): string {
  const wallet = preferred === null ? null : (`0x${preferred.repeat(40)}` as Wallet);
  const standingOf = ({ wallet: [, , letter] }: Member): Standing =>
    wrong.includes(letter!) ? 'wrong' : silent.includes(letter!) ? 'silent' : 'good';
  return askOrder(MEMBERS, wallet, standingOf, unit)
    .map((member) => member.wallet[2]!)
    .join('');
}

describe('members are asked', () => {
  test.each<[string, string | null, string, number, string, string?]>([
    ['in the order of the list, starting with a random member (here the first of the list)', null, '', 0, 'abcd'],
    ['in the order of the list, starting with a random member (here the third of the list)', null, '', 0.5, 'cdab'],
    ['in the order of the list, starting with a random member (here the last of the list)', null, '', 0.999, 'dabc'],
    ['with the preferred member first', 'c', '', 0, 'cabd'],
    ['last if they proved wrong', null, 'a', 0, 'bcda'],
    ['with the preferred member last when it proved wrong', 'b', 'b', 0, 'acdb'],
    ['in the order of the list within each group: first the good members, then those that proved wrong', null, 'abd', 0.5, 'cdab'],
    ['with a silent member after the good members and before those that proved wrong', null, 'a', 0, 'cdba', 'b'],
    ['with the preferred member last when it was silent', 'b', '', 0, 'acdb', 'b'],
  ])('%s', (_, preferred, wrong, unit, order, silent = '') => {
    expect(orderOf(preferred, wrong, unit, silent)).toBe(order);
  });

  test.each([
    ['with a silent member last', null, '', 'a', 'bcda'],
    ['with a silent member between the good members and those that proved wrong', null, 'a', 'b', 'cdba'],
    ['with a silent member last even if it is preferred', 'b', '', 'b', 'acdb'],
    ['last of all if they were silent and also proved wrong', null, 'a', 'ab', 'cdba'],
  ])('%s', (_, preferred, wrong, silent, order) => {
    expect(orderOf(preferred, wrong, 0, silent)).toBe(order);
  });

  test('once each, regardless of which member is preferred or proved wrong', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(null, 'a', 'b', 'e'),
        fc.subarray(['a', 'b', 'c', 'd']),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (preferred, wrong, unit) => {
          expect(Array.from(orderOf(preferred, wrong.join(''), unit)).sort().join('')).toBe('abcd');
        },
      ),
    );
  });

  test('not at all when there are no members', () => {
    expect(askOrder([], null, () => 'good', 0.3)).toEqual([]);
  });
});
