/** A secret is read from a JSON field that occurs once and has the right form. The digits of the secret are then overwritten in the buffer. */
import { expect, test } from '@jest/globals';
import { takeSecretField } from '../../../src/enclave/secret-field.ts';

const HEX = 'a1B2'.repeat(2);
const BYTES = [0xa1, 0xb2, 0xa1, 0xb2];

test.each([
  ['in the form that the enclave API writes', `{"random_bytes":"0x${HEX}"}`],
  ['with spaces', `{ "random_bytes" :\n\t"0x${HEX}" }`],
  ['when there are other fields', `{"attestation":null,"random_bytes":"0x${HEX}","more":"0x${'00'.repeat(4)}"}`],
])('the field is read %s', (_, text) => {
  const body = Buffer.from(text);
  expect([...takeSecretField(body, 'random_bytes', 4)!]).toEqual(BYTES);
  expect(body.toString()).toBe(text.replace(HEX, '0'.repeat(8)));
});

test.each([
  ['an empty answer', ''],
  ['a different field', `{"random":"0x${HEX}"}`],
  ['a secret with one byte too few', `{"random_bytes":"0x${HEX.slice(2)}"}`],
  ['a secret with one byte too many', `{"random_bytes":"0x${HEX}00"}`],
  ['a secret without a prefix', `{"random_bytes":"${HEX}00"}`],
  ['a value that is not a string', `{"random_bytes":${HEX}}`],
  ['a field without a colon', `{"random_bytes" "0x${HEX}"}`],
  ['a character that is not a digit', `{"random_bytes":"0x${HEX.slice(1)}g"}`],
  ['an answer with the field twice', `{"random_bytes":"0x${HEX}","random_bytes":"0x${HEX}"}`],
  ['an answer that ends in the middle', `{"random_bytes":"0x${HEX.slice(4)}`],
])('%s is refused', (_, text) => {
  expect(takeSecretField(Buffer.from(text), 'random_bytes', 4)).toBeNull();
});
