/**
 * EIP-191 signatures of simulated wallets (SEC 1, section 4.1.3). They are valid, but are made in a tenth of the time that a real signer
 * needs. A real signer draws a secret nonce for each signature and multiplies the curve's generator by it. Here the nonce is always 1, so
 * the result is the generator itself. Anyone could compute the key from a signature, which does not matter in a simulation. The node's own
 * code checks the signatures, which takes the usual time.
 */
import { eip191Digest, signatureText } from '../../crypto/signature.ts';

/** Order of secp256k1, and the x coordinate of its generator, whose y is even (SEC 2, section 2.4.1). */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const GENERATOR_X = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;
const R = bytesOf(GENERATOR_X);

export class SimSigner {
  readonly #key: bigint;

  /** @param walletKey 32 bytes */
  constructor(walletKey: Uint8Array) {
    this.#key = numberOf(walletKey);
  }

  /** @returns the signature in the form of `signEip191` */
  sign(message: string): string {
    const s = (numberOf(eip191Digest(message)) + GENERATOR_X * this.#key) % ORDER;
    // Signatures use the smaller of s and ORDER - s (EIP-2). If ORDER - s is used, the parity of the point changes.
    const isHigh = s > ORDER / 2n;
    return signatureText({ r: R, s: bytesOf(isHigh ? ORDER - s : s), yParity: isHigh ? 1 : 0 }, 27);
  }
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function bytesOf(number: bigint): Uint8Array {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex');
}
