/** The hand-written reader for answers of the enclave API (protocol.md §7) accepts what a schema accepts, and returns the same result. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { parseHash32, parseTeePubkey, parseWallet } from '../../../src/domain/ids.ts';
import { readOdynAnswer, type OdynOperation } from '../../../src/enclave/odyn-answers.ts';

const HEX = '[0-9a-fA-F]';
const matching = (pattern: string) => z.string().regex(new RegExp(`^(?:${pattern})$`));
const anyHex = matching(`(?:0x)?(?:${HEX}{2})*`).transform((text) => text.replace(/^0x/, '').toLowerCase());
const parsed = <Value>(parse: (text: string) => Value | null) => z.string().transform((text) => parse(text)).refine((value) => value !== null);

const SCHEMAS: Readonly<Record<OdynOperation, z.ZodType>> = {
  address: z.object({ address: parsed(parseWallet) }).transform(({ address }) => address),
  publicKey: z.object({ public_key_der: parsed(parseTeePubkey) }).transform((answer) => answer.public_key_der),
  random: z.object({ random_bytes: matching(`0x${HEX}{64}`) }).transform((answer) => answer.random_bytes.slice(2).toLowerCase()),
  sign: z.object({ signature: matching(`0x${HEX}{130}`) }).transform(({ signature }) => signature.toLowerCase()),
  signTransaction: z
    .object({ raw_transaction: matching(`0x(?:${HEX}{2})+`), transaction_hash: parsed(parseHash32) })
    .transform((answer) => ({ rawTransaction: answer.raw_transaction, transactionHash: answer.transaction_hash })),
  encrypt: z
    .object({ encrypted_data: anyHex, enclave_public_key: parsed(parseTeePubkey), nonce: anyHex })
    .transform((answer) => ({ senderPubkey: answer.enclave_public_key, nonce: answer.nonce, encryptedData: answer.encrypted_data })),
  decrypt: z.object({ plaintext: z.string() }).transform(({ plaintext }) => plaintext),
};

const FIELDS: Readonly<Record<OdynOperation, readonly string[]>> = {
  address: ['address'],
  publicKey: ['public_key_der'],
  random: ['random_bytes'],
  sign: ['signature'],
  signTransaction: ['raw_transaction', 'transaction_hash'],
  encrypt: ['encrypted_data', 'enclave_public_key', 'nonce'],
  decrypt: ['plaintext'],
};

const digits = (length: number) => fc.array(fc.constantFrom(...Array.from('0123456789abcdefABCDEF')), { minLength: length, maxLength: length });
/** Strings that are close to the accepted forms: of the right or nearly the right length, with or without a prefix or an invalid digit. */
const text = fc
  .tuple(
    fc.constantFrom('', '0x', '0X', ' 0x'),
    fc.constantFrom(0, 1, 2, 24, 39, 40, 41, 62, 63, 64, 65, 66, 128, 130, 131, 132).chain((length) => digits(length)),
    fc.constantFrom('', '', '', 'g', 'ß', '\n'),
  )
  .map(([prefix, digits, last]) => prefix + digits.join('') + last);
/** Valid wallets, hashes and signatures. Without these, two valid fields in the same answer would be too rare. */
const right = fc.constantFrom(40, 64, 130).chain(digits).map((each) => `0x${each.join('')}`);
const value = fc.oneof({ weight: 8, arbitrary: text }, { weight: 4, arbitrary: right }, fc.constantFrom(undefined, null, 17, true, {}, ['ab']));

/** Answers that must be accepted. They are always tested, because the generator does not produce them in every run. */
const TAKEN: Readonly<Partial<Record<OdynOperation, readonly string[]>>> = {
  signTransaction: ['0x12', `0x${'Ab'.repeat(32)}`, ''],
  encrypt: ['abcd', '0xAb', '0xef'],
};

describe.each(Object.keys(SCHEMAS) as OdynOperation[])('%s', (operation) => {
  test('has an answer reader that returns the same result as its schema', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.array(value, { minLength: 3, maxLength: 3 }), fc.boolean(), (values, extra) => {
        const answer = Object.fromEntries(FIELDS[operation].map((name, place) => [name, values[place]]));
        if (extra) answer['attestation'] = null;
        const expected = SCHEMAS[operation].safeParse(answer);
        if (expected.success) taken += 1;
        expect(readOdynAnswer[operation](answer)).toEqual(expected.success ? expected.data : null);
      }),
      { numRuns: 1_500, examples: operation in TAKEN ? [[[...TAKEN[operation]!], false]] : [] },
    );
    expect(taken).toBeGreaterThan(0);
  });
});
