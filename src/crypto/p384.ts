/**
 * P-384 keys as the protocol encodes them: a public key is a DER SubjectPublicKeyInfo with an uncompressed point (RFC 5480), and a shared
 * secret is the x coordinate from ECDH (SEC 1 §3.3.1). A key on another curve, or a point that is not on the curve, is refused.
 */
import { createECDH, createPrivateKey, createPublicKey, diffieHellman, type ECDH, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { TeePubkey } from '../domain/ids.ts';
import type { Random } from '../domain/ports.ts';

/** The bytes of a SubjectPublicKeyInfo { ecPublicKey, secp384r1 } before the point. */
const SPKI_PREFIX = Buffer.from('3076301006072a8648ce3d020106052b81040022036200', 'hex');
const POINT_BYTES = 97;
const SCALAR_BYTES = 48;
/** Maximum number of shared secrets that a key pair caches: one per peer or caller. */
const SHARED_SECRETS = 512;
/** Maximum number of attempts to draw a scalar below the order. About one attempt in 2^194 fails. */
const SCALAR_ATTEMPTS = 4;

export class P384Error extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'P384Error';
  }
}

/** The uncompressed SEC1 point in a key. @throws P384Error when the string is not a P-384 public key in strict DER */
export function pointOf(publicKeyDer: string): Uint8Array {
  if (!/^[0-9a-fA-F]*$/.test(publicKeyDer)) throw new P384Error('not hex');
  const der = Buffer.from(publicKeyDer, 'hex');
  const wellFormed =
    publicKeyDer.length === 2 * (SPKI_PREFIX.length + POINT_BYTES) &&
    der.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX) &&
    der[SPKI_PREFIX.length] === 4;
  if (!wellFormed) throw new P384Error('not a P-384 public key in DER');
  return der.subarray(SPKI_PREFIX.length);
}

function publicKeyObject(publicKeyDer: string): KeyObject {
  pointOf(publicKeyDer);
  try {
    const key = createPublicKey({ key: Buffer.from(publicKeyDer, 'hex'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyDetails?.namedCurve !== 'secp384r1') throw new P384Error('not the curve P-384');
    return key;
  } catch {
    throw new P384Error('not a point of P-384');
  }
}

/** Converts a bare uncompressed point to DER, because other nodes also accept such points. Returns other strings unchanged. */
export function toDer(publicKey: string): string {
  const isPoint = publicKey.length === 2 * POINT_BYTES && publicKey.startsWith('04');
  return isPoint ? SPKI_PREFIX.toString('hex') + publicKey : publicKey;
}

/** Whether the string is a P-384 public key in the DER form that the protocol requires. */
export function isP384PublicKey(publicKeyDer: string): boolean {
  try {
    publicKeyObject(publicKeyDer);
    return true;
  } catch {
    return false;
  }
}

/** An RFC 5915 key inside PKCS #8. It contains the public point, so that OpenSSL need not compute it. */
function pkcs8(scalar: Uint8Array, point: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from('3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430', 'hex'),
    scalar,
    Buffer.from('a164036200', 'hex'),
    point,
  ]);
}

export class P384KeyPair {
  readonly publicKeyDer: TeePubkey;
  #privateKey: KeyObject | null;
  readonly #shared: LRUCache<string, Uint8Array>;

  /**
   * @param scalar 48 bytes, big endian; wiped, even when its value is refused
   * @throws P384Error when the scalar has a different length, is zero, or is not below the order of the group
   */
  constructor(scalar: Uint8Array) {
    if (scalar.length !== SCALAR_BYTES) throw new P384Error('not a P-384 scalar');
    const ecdh: ECDH = createECDH('secp384r1');
    try {
      ecdh.setPrivateKey(scalar);
    } catch {
      scalar.fill(0);
      throw new P384Error('not a P-384 scalar');
    }
    const point = ecdh.getPublicKey();
    const encoded = pkcs8(scalar, point);
    this.publicKeyDer = Buffer.concat([SPKI_PREFIX, point]).toString('hex') as TeePubkey;
    this.#privateKey = createPrivateKey({ key: encoded, format: 'der', type: 'pkcs8' });
    this.#shared = new LRUCache({ max: SHARED_SECRETS, dispose: (secret) => secret.fill(0) });
    encoded.fill(0);
    scalar.fill(0);
  }

  /**
   * The ECDH secret with a peer, 48 bytes. It is cached, so the caller must not change it.
   * @throws P384Error for a bad peer key, or after `wipe`
   */
  sharedSecret(peerDer: string): Uint8Array {
    const known = this.#shared.get(peerDer);
    if (known !== undefined) return known;
    if (this.#privateKey === null) throw new P384Error('the key pair was wiped');
    const publicKey = publicKeyObject(peerDer);
    const secret = new Uint8Array(diffieHellman({ privateKey: this.#privateKey, publicKey }));
    this.#shared.set(peerDer, secret);
    return secret;
  }

  wipe(): void {
    this.#privateKey = null;
    this.#shared.clear();
  }
}

export function generateP384(random: Random): P384KeyPair {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return new P384KeyPair(random.bytes(SCALAR_BYTES));
    } catch (error) {
      if (attempt >= SCALAR_ATTEMPTS) throw error;
    }
  }
}

/** @param scalar hex or bytes; bytes are copied, not wiped */
export function p384FromScalar(scalar: string | Uint8Array): P384KeyPair {
  return new P384KeyPair(typeof scalar === 'string' ? Uint8Array.from(Buffer.from(scalar, 'hex')) : Uint8Array.from(scalar));
}
