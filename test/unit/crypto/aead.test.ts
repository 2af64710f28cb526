/** AES-256-GCM: every copy of a plaintext in memory can be wiped by its owner. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import crypto from 'node:crypto';
import { AEAD_TAG_BYTES, aesGcmOpen, aesGcmSeal } from '../../../src/crypto/aead.ts';

const KEY = new Uint8Array(32).fill(1);
const NONCE = new Uint8Array(12).fill(2);
const PLAINTEXT = new Uint8Array(32).fill(0x42);

/** Collects the outputs of Node's decipher, because the tests cannot reach that memory in any other way. */
const { prototype } = crypto.Decipheriv as unknown as { readonly prototype: { update: (this: object, sealed: Uint8Array) => Uint8Array } };
const { update } = prototype;
let given: Uint8Array[] = [];
beforeEach(() => {
  given = [];
  prototype.update = function (sealed) {
    const bytes = update.call(this, sealed);
    given.push(bytes);
    return bytes;
  };
});
afterEach(() => {
  prototype.update = update;
});

test('the returned plaintext is the only copy, so its owner can wipe it', () => {
  const opened = aesGcmOpen(KEY, NONCE, aesGcmSeal(KEY, NONCE, PLAINTEXT))!;
  expect(Uint8Array.from(opened)).toEqual(PLAINTEXT);
  expect(opened.buffer.byteLength).toBe(PLAINTEXT.length);
  opened.fill(0);
  expect(given.map((bytes) => bytes.some((byte) => byte !== 0))).toEqual([false]);
});

test('a ciphertext that cannot be opened leaves no plaintext in memory', () => {
  const sealed = Uint8Array.from(aesGcmSeal(KEY, NONCE, PLAINTEXT));
  sealed[sealed.length - 1]! ^= 1;
  expect(aesGcmOpen(KEY, NONCE, sealed)).toBeNull();
  expect(given.map((bytes) => [bytes.length, bytes.some((byte) => byte !== 0)])).toEqual([[PLAINTEXT.length, false]]);
});

test.each([
  ['a tag without a ciphertext opens as an empty plaintext', AEAD_TAG_BYTES, 0],
  ['fewer bytes than a tag cannot be opened', AEAD_TAG_BYTES - 1, null],
])('%s', (_, length, opened) => {
  const sealed = length === AEAD_TAG_BYTES ? aesGcmSeal(KEY, NONCE, new Uint8Array()) : new Uint8Array(length);
  expect(aesGcmOpen(KEY, NONCE, sealed)?.length ?? null).toBe(opened);
});
