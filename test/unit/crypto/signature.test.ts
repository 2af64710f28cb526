/** EIP-191 signatures over secp256k1 (protocol.md §3): which forms are valid, and which wallet is recovered from a signature. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { recoverMessageAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { isPrivateKey, recoverEip191, signEip191, walletOfPrivateKey } from '../../../src/crypto/signature.ts';

const KEY = Buffer.alloc(32, 0x42);
const WALLET = walletOfPrivateKey(KEY);
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const MESSAGE = 'NovaKMS:Auth:AAAA:0x00:1';
const signed = signEip191(KEY, MESSAGE);
const rs = signed.slice(2, 130);
const v = Number.parseInt(signed.slice(130), 16);

function hex64(value: bigint): string {
  return value.toString(16).padStart(64, '0');
}

/** The same signature with a mirrored s: mathematically valid, but a different string. */
function highTwin(): string {
  return `0x${rs.slice(0, 64)}${hex64(ORDER - BigInt(`0x${rs.slice(64)}`))}${(v === 27 ? 28 : 27).toString(16)}`;
}

describe('a signature', () => {
  test('made by this project is accepted by viem, and a signature made by viem is accepted by this project', async () => {
    const account = privateKeyToAccount(`0x${KEY.toString('hex')}`);
    const texts = ['', 'a', 'ü€😀', 'x'.repeat(5_000), MESSAGE];
    for (const text of texts) {
      expect(recoverEip191(text, await account.signMessage({ message: text }))).toBe(account.address.toLowerCase());
      expect(await recoverMessageAddress({ message: text, signature: signEip191(KEY, text) as `0x${string}` })).toBe(account.address);
    }
  });

  test.each([
    ['in the form that this node writes', signed],
    ['without 0x', signed.slice(2)],
    ['in upper case', `0x${signed.slice(2).toUpperCase()}`],
    ['with v as 0 or 1', `0x${rs}0${v - 27}`],
  ])('is accepted %s', (_, text) => {
    expect(recoverEip191(MESSAGE, text)).toBe(WALLET);
  });

  test.each([
    ['empty', ''],
    ['only 0x', '0x'],
    ['with 0X', `0X${signed.slice(2)}`],
    ['too short', signed.slice(0, -2)],
    ['too long', `${signed}00`],
    ['with a space', `${signed} `],
    ['with a line break', `${signed}\n`],
    ['with an EIP-155 v', `0x${rs}25`],
    ['with v 29', `0x${rs}1d`],
    ['with v 2', `0x${rs}02`],
    ['with a high s', highTwin()],
    ['with r equal to zero', `0x${'00'.repeat(32)}${rs.slice(64)}1b`],
    ['with s equal to zero', `0x${rs.slice(0, 64)}${'00'.repeat(32)}1b`],
    ['with r equal to the order', `0x${hex64(ORDER)}${rs.slice(64)}1b`],
    ['with every bit of r and s set', `0x${'ff'.repeat(64)}1b`],
  ])('is not valid in this form: %s', (_, text) => {
    expect(recoverEip191(MESSAGE, text)).toBeNull();
  });

  test('is valid only if s is at most half of the order', () => {
    const withS = (s: bigint): string => `0x${rs.slice(0, 64)}${hex64(s)}1b`;
    expect(recoverEip191(MESSAGE, withS(ORDER / 2n))).not.toBeNull();
    expect(recoverEip191(MESSAGE, withS(ORDER / 2n + 1n))).toBeNull();
  });

  test('does not recover to the wallet of its signer if the message has changed', () => {
    expect(recoverEip191(`${MESSAGE}0`, signed)).not.toBe(WALLET);
  });

  test('recovers to a wallet or to null for any string, without an exception', () => {
    const hexish = fc.uint8Array({ minLength: 65, maxLength: 65 }).map((bytes) => Buffer.from(bytes).toString('hex'));
    fc.assert(
      fc.property(fc.string(), fc.oneof(fc.string(), hexish), (message, signature) => {
        const wallet = recoverEip191(message, signature);
        if (wallet !== null) expect(wallet).toMatch(/^0x[0-9a-f]{40}$/);
      }),
    );
  });
});

describe('a private key', () => {
  test.each<[string, Uint8Array, boolean]>([
    ['of 32 bytes is valid', KEY, true],
    ['of zeros is not valid', Buffer.alloc(32), false],
    ['equal to the order is not valid', Buffer.from(hex64(ORDER), 'hex'), false],
    ['of 31 bytes is not valid', Buffer.alloc(31, 1), false],
    ['of 33 bytes is not valid', Buffer.alloc(33, 1), false],
  ])('%s', (_, key, good) => {
    expect(isPrivateKey(key)).toBe(good);
  });
});
