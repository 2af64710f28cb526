/** A secret is taken from JSON in one form only, and its digits are overwritten in the bytes. */
import { expect, test } from '@jest/globals';
import { takeSecretField } from '../../../src/enclave/secret-field.ts';

const HEX = 'a1B2'.repeat(2);
const BYTES = [0xa1, 0xb2, 0xa1, 0xb2];

test.each([
  ['as the enclave API writes it', `{"random_bytes":"0x${HEX}"}`],
  ['with spaces', `{ "random_bytes" :\n\t"0x${HEX}" }`],
  ['beside others', `{"attestation":null,"random_bytes":"0x${HEX}","more":"0x${'00'.repeat(4)}"}`],
])('the field is taken %s', (_, text) => {
  const body = Buffer.from(text);
  expect([...takeSecretField(body, 'random_bytes', 4)!]).toEqual(BYTES);
  expect(body.toString()).toBe(text.replace(HEX, '0'.repeat(8)));
});

test.each([
  ['nothing', ''],
  ['another field', `{"random":"0x${HEX}"}`],
  ['one byte too few', `{"random_bytes":"0x${HEX.slice(2)}"}`],
  ['one byte too many', `{"random_bytes":"0x${HEX}00"}`],
  ['no prefix', `{"random_bytes":"${HEX}00"}`],
  ['no text', `{"random_bytes":${HEX}}`],
  ['no colon', `{"random_bytes" "0x${HEX}"}`],
  ['a character that is not a digit', `{"random_bytes":"0x${HEX.slice(1)}g"}`],
  ['the field twice', `{"random_bytes":"0x${HEX}","random_bytes":"0x${HEX}"}`],
  ['an end in the middle', `{"random_bytes":"0x${HEX.slice(4)}`],
])('%s is refused', (_, text) => {
  expect(takeSecretField(Buffer.from(text), 'random_bytes', 4)).toBeNull();
});
