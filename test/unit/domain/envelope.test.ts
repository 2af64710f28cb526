/** The form of the envelope (protocol.md §3, Envelope): an invalid envelope is refused before anything is decrypted. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { envelopeJson, envelopePieces, isRegisteredSender, parseEnvelope, SealedBytes, toWireEnvelope } from '../../../src/domain/envelope.ts';
import { HexBytes } from '../../../src/domain/hex.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';

const good = { sender_tee_pubkey: 'ab'.repeat(120), nonce: '01'.repeat(12), encrypted_data: 'cd'.repeat(16) };
const read = { senderPubkey: good.sender_tee_pubkey, nonce: good.nonce, encryptedData: good.encrypted_data };

describe('an envelope', () => {
  test.each<[string, unknown, object]>([
    ['with an empty plaintext', good, read],
    ['with 0x before each field and in upper case', { sender_tee_pubkey: `0x${'AB'.repeat(120)}`, nonce: `0x${good.nonce}`, encrypted_data: `0x${'CD'.repeat(16)}` }, read],
    ['with a legacy nonce of 32 bytes', { ...good, nonce: '01'.repeat(32) }, { ...read, nonce: '01'.repeat(32) }],
    ['with unknown fields', { ...good, version: 2, ['__proto__']: 1 }, read],
  ])('is accepted %s', (_, body, sealed) => {
    expect(parseEnvelope(body)).toEqual(sealed);
  });

  test.each<[string, unknown]>([
    ['it is null', null],
    ['it is a string', 'envelope'],
    ['it is a number', 7],
    ['it is a list', [good]],
    ['it is plaintext', { path: 'app/key' }],
    ['it has no sender', { ...good, sender_tee_pubkey: undefined }],
    ['its sender is empty', { ...good, sender_tee_pubkey: '' }],
    ['its sender is a list', { ...good, sender_tee_pubkey: [good.sender_tee_pubkey] }],
    ['its nonce has 11 bytes', { ...good, nonce: '01'.repeat(11) }],
    ['its nonce has 16 bytes', { ...good, nonce: '01'.repeat(16) }],
    ['its nonce is a number', { ...good, nonce: 1 }],
    ['its data is shorter than a tag', { ...good, encrypted_data: 'cd'.repeat(15) }],
    ['its data has an odd number of hex digits', { ...good, encrypted_data: `${good.encrypted_data}c` }],
    ['its data contains characters that are not hex', { ...good, encrypted_data: `${good.encrypted_data}zz` }],
    ['its data contains line breaks', { ...good, encrypted_data: `${good.encrypted_data}\n\n` }],
    ['its data is base64', { ...good, encrypted_data: Buffer.alloc(32).toString('base64') }],
  ])('is not valid when %s', (_, body) => {
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
    ['matches the registered key', good.sender_tee_pubkey, true],
    ['does not match another key', 'ac'.repeat(120), false],
    ['does not match a key that is only a prefix of the sender’s key', 'ab', false],
    ['does not match an empty key', '', false],
  ])('%s', (_, registered, same) => {
    expect(isRegisteredSender(parseEnvelope(good)!, registered as TeePubkey)).toBe(same);
  });
});

test('an envelope is written as exactly the JSON that JSON.stringify returns, both as text and as bytes', () => {
  const sealed = parseEnvelope(good)!;
  const json = JSON.stringify(toWireEnvelope(sealed));
  expect(envelopeJson(sealed)).toBe(json);
  const inBytes = new SealedBytes(sealed.senderPubkey, sealed.nonce, HexBytes.copy(Buffer.from(sealed.encryptedData))!);
  expect(JSON.stringify(toWireEnvelope(inBytes))).toBe(json);
  for (const each of [sealed, inBytes]) expect(Buffer.concat(envelopePieces(each)).toString()).toBe(json);
});
