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
    ['as listed from a place that the dice choose: the first', null, '', 0, 'abcd'],
    ['as listed from a place that the dice choose: the third', null, '', 0.5, 'cdab'],
    ['as listed from a place that the dice choose: the last', null, '', 0.999, 'dabc'],
    ['with the preferred one first', 'c', '', 0, 'cabd'],
    ['with one that proved wrong last', null, 'a', 0, 'bcda'],
    ['with the preferred one last when it proved wrong', 'b', 'b', 0, 'acdb'],
    ['in the same circle among those that proved wrong', null, 'abd', 0.5, 'cdab'],
    ['with one that was silent after the good and before the wrong', null, 'a', 0, 'cdba', 'b'],
    ['with the preferred one late when it was silent', 'b', '', 0, 'acdb', 'b'],
  ])('%s', (_, preferred, wrong, unit, order, silent = '') => {
    expect(orderOf(preferred, wrong, unit, silent)).toBe(order);
  });

  test.each([
    ['after those that may answer, when it was silent', null, '', 'a', 'bcda'],
    ['between those that may answer and those that proved wrong, when it was silent', null, 'a', 'b', 'cdba'],
    ['after those that may answer although it is preferred, when it was silent', 'b', '', 'b', 'acdb'],
    ['last when it was silent and proved wrong', null, 'a', 'ab', 'cdba'],
  ])('%s', (_, preferred, wrong, silent, order) => {
    expect(orderOf(preferred, wrong, 0, silent)).toBe(order);
  });

  test('once each, regardless of which member is preferred or wrong', () => {
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

  test('not at all when there are none', () => {
    expect(askOrder([], null, () => 'good', 0.3)).toEqual([]);
  });
});
