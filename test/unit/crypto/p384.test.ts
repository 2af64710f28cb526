/** P-384 keys in the form of the protocol (protocol.md, Terms; §3, Envelope; §4, Sealed). */
import { describe, expect, test } from '@jest/globals';
import { createECDH, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { generateP384, isP384PublicKey, P384Error, P384KeyPair, p384FromScalar, pointOf, toDer } from '../../../src/crypto/p384.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const ALICE = '11'.repeat(48);
const BOB = '22'.repeat(48);
/** The order of the group (NIST SP 800-186). */
const ORDER = 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973';

function spki(namedCurve: string): string {
  return generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' }).toString('hex');
}

const good = p384FromScalar(ALICE).publicKeyDer;

describe('a public key', () => {
  test('is DER with an uncompressed point, like the output of OpenSSL', () => {
    const theirs = spki('secp384r1');
    expect(isP384PublicKey(theirs)).toBe(true);
    expect(theirs.slice(0, 46)).toBe(good.slice(0, 46));
    expect(pointOf(good)).toHaveLength(97);
  });

  test('may be in upper case', () => {
    expect(isP384PublicKey(good.toUpperCase())).toBe(true);
  });

  test.each([
    ['empty', ''],
    ['not hex', `${good.slice(0, -2)}zz`],
    ['prefixed with 0x', `0x${good}`],
    ['one byte too short', good.slice(0, -2)],
    ['one byte too long', `${good}00`],
    ['off the curve', `${good.slice(0, -2)}${good.endsWith('00') ? '01' : '00'}`],
    ['the point at infinity', `${good.slice(0, 46)}00${'00'.repeat(96)}`],
    ['a point of zeros', `${good.slice(0, 48)}${'00'.repeat(96)}`],
    ['compressed', `${good.slice(0, 46)}02${good.slice(48, 144)}`],
    ['a key of P-256', spki('prime256v1')],
    ['a key of P-521', spki('secp521r1')],
    ['a bare point', good.slice(46)],
  ])('is refused when it is %s', (_, key) => {
    expect(isP384PublicKey(key)).toBe(false);
    expect(() => p384FromScalar(BOB).sharedSecret(key)).toThrow(P384Error);
  });

  test('can be made from a bare point, which some nodes send, and the conversion returns any other string unchanged', () => {
    expect(toDer(good.slice(46))).toBe(good);
    expect(toDer(good)).toBe(good);
    expect(toDer('04')).toBe('04');
  });

  test('is never recognized in a random string, and the check never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: fc.constantFrom('0', '4', 'f', 'x') })), (text) => {
      expect(isP384PublicKey(text)).toBe(false);
      expect(typeof toDer(text)).toBe('string');
    }));
  });
});

describe('a scalar', () => {
  test.each([
    ['zero', '00'.repeat(48)],
    ['equal to the order of the group', ORDER],
    ['above the order of the group', 'ff'.repeat(48)],
    ['empty', ''],
    ['32 bytes long', '11'.repeat(32)],
    ['47 bytes long', '11'.repeat(47)],
    ['49 bytes long', '11'.repeat(49)],
  ])('is refused when it is %s', (_, scalar) => {
    expect(() => p384FromScalar(scalar)).toThrow(P384Error);
  });

  test('is wiped after a key pair has been made from it', () => {
    const scalar = new Uint8Array(48).fill(0x11);
    expect(new P384KeyPair(scalar).publicKeyDer).toBe(good);
    expect(scalar).toEqual(new Uint8Array(48));
  });

  test('is wiped when it is refused', () => {
    const scalar = new Uint8Array(48).fill(0xff);
    expect(() => new P384KeyPair(scalar)).toThrow(P384Error);
    expect(scalar).toEqual(new Uint8Array(48));
  });

  test('is drawn again when it is too large, but only a limited number of times', () => {
    let draws = 0;
    const random = (bad: number) => ({
      bytes: (length: number) => ((draws += 1) <= bad ? new Uint8Array(length).fill(0xff) : new SeededRandom('p384').bytes(length)),
      unit: () => 0,
    });
    expect(isP384PublicKey(generateP384(random(2)).publicKeyDer)).toBe(true);
    expect(draws).toBe(3);
    draws = 0;
    expect(() => generateP384(random(Infinity))).toThrow(P384Error);
  });
});

describe('a shared secret', () => {
  test('is the same on both sides, and OpenSSL computes the same secret', () => {
    const [alice, bob] = [p384FromScalar(ALICE), p384FromScalar(BOB)];
    const ecdh = createECDH('secp384r1');
    ecdh.setPrivateKey(ALICE, 'hex');
    const expected = new Uint8Array(ecdh.computeSecret(pointOf(bob.publicKeyDer)));
    expect(alice.sharedSecret(bob.publicKeyDer)).toEqual(expected);
    expect(bob.sharedSecret(alice.publicKeyDer)).toEqual(expected);
  });

  test('is cached, is wiped together with its key pair, and cannot be computed after that', () => {
    const [alice, bob] = [p384FromScalar(ALICE), p384FromScalar(BOB)];
    const shared = alice.sharedSecret(bob.publicKeyDer);
    expect(alice.sharedSecret(bob.publicKeyDer)).toBe(shared);
    alice.wipe();
    expect(shared).toEqual(new Uint8Array(48));
    expect(() => alice.sharedSecret(bob.publicKeyDer)).toThrow(P384Error);
  });

  test('is never printed, and neither is the private key', () => {
    const alice = p384FromScalar(ALICE);
    const shared = Buffer.from(alice.sharedSecret(p384FromScalar(BOB).publicKeyDer)).toString('hex');
    const printed = inspect(alice, { depth: 9, showHidden: true }) + JSON.stringify(alice);
    expect(printed).not.toContain(ALICE);
    expect(printed).not.toContain(shared.slice(0, 16));
  });
});
