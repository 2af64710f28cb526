/** The form of the envelope (protocol.md §3, Envelope): an invalid envelope is refused before anything is decrypted. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { envelopeJson, isRegisteredSender, parseEnvelope, toWireEnvelope } from '../../../src/domain/envelope.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';

const good = { sender_tee_pubkey: 'ab'.repeat(120), nonce: '01'.repeat(12), encrypted_data: 'cd'.repeat(16) };
const read = { senderPubkey: good.sender_tee_pubkey, nonce: good.nonce, encryptedData: good.encrypted_data };

describe('an envelope', () => {
  test.each<[string, unknown, object]>([
    ['with an empty plaintext', good, read],
    ['with 0x and in upper case', { sender_tee_pubkey: `0x${'AB'.repeat(120)}`, nonce: `0x${good.nonce}`, encrypted_data: `0x${'CD'.repeat(16)}` }, read],
    ['with a legacy nonce of 32 bytes', { ...good, nonce: '01'.repeat(32) }, { ...read, nonce: '01'.repeat(32) }],
    ['with unknown fields', { ...good, version: 2, ['__proto__']: 1 }, read],
  ])('is accepted %s', (_, body, sealed) => {
    expect(parseEnvelope(body)).toEqual(sealed);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a string', 'envelope'],
    ['a number', 7],
    ['a list', [good]],
    ['plaintext', { path: 'app/key' }],
    ['without a sender', { ...good, sender_tee_pubkey: undefined }],
    ['with an empty sender', { ...good, sender_tee_pubkey: '' }],
    ['with a sender that is a list', { ...good, sender_tee_pubkey: [good.sender_tee_pubkey] }],
    ['with a nonce of 11 bytes', { ...good, nonce: '01'.repeat(11) }],
    ['with a nonce of 16 bytes', { ...good, nonce: '01'.repeat(16) }],
    ['with a nonce that is a number', { ...good, nonce: 1 }],
    ['with fewer bytes than a tag', { ...good, encrypted_data: 'cd'.repeat(15) }],
    ['with half a byte', { ...good, encrypted_data: `${good.encrypted_data}c` }],
    ['with characters that are not hex', { ...good, encrypted_data: `${good.encrypted_data}zz` }],
    ['with line breaks', { ...good, encrypted_data: `${good.encrypted_data}\n\n` }],
    ['in base64', { ...good, encrypted_data: Buffer.alloc(32).toString('base64') }],
  ])('is not valid when it is %s', (_, body) => {
    expect(parseEnvelope(body)).toBeNull();
  });

  test('is not valid if it is random JSON, and the parser never throws', () => {
    const fields = fc.record({ sender_tee_pubkey: fc.jsonValue(), nonce: fc.jsonValue(), encrypted_data: fc.jsonValue() });
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), fields), (body) => expect(parseEnvelope(body)).toBeNull()));
  });

  test('is written in the form that the parser expects', () => {
    expect(toWireEnvelope(parseEnvelope(good)!)).toEqual(good);
  });
});

describe('the sender', () => {
  test.each<[string, string, boolean]>([
    ['the registered key', good.sender_tee_pubkey, true],
    ['a different key', 'ac'.repeat(120), false],
    ['a registered key that is only a prefix of the sender’s key', 'ab', false],
    ['an empty key', '', false],
  ])('is compared with %s', (_, registered, same) => {
    expect(isRegisteredSender(parseEnvelope(good)!, registered as TeePubkey)).toBe(same);
  });
});

test('an envelope is written as the same JSON that JSON.stringify returns', () => {
  expect(envelopeJson(parseEnvelope(good)!)).toBe(JSON.stringify(toWireEnvelope(parseEnvelope(good)!)));
});
