import { describe, expect, test } from '@jest/globals';
import { parseWallet } from '../../../src/domain/ids.ts';

describe('parseWallet', () => {
  test('takes a wallet without 0x and lowers its case', () => {
    expect(parseWallet('4C0BD9D1C26F5BC45531A667C2A1ADDC789E695C')).toBe('0x4c0bd9d1c26f5bc45531a667c2a1addc789e695c');
  });
});
