/**
 * EIP-191 signatures of simulated wallets: good for everybody who checks them, for a tenth of what it costs to make real ones. A
 * signer draws a secret number for each signature and multiplies a point of the curve by it. Here that number is one, for all
 * signatures, and the point is the curve's generator: anyone could work out the key from a signature, but no one does. Checking
 * them is the product's own work, and costs what it costs (SEC 1, section 4.1.3).
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

  /** As `signEip191` writes it. */
  sign(message: string): string {
    const s = (numberOf(eip191Digest(message)) + GENERATOR_X * this.#key) % ORDER;
    // Of s and its negative the smaller one is taken, as everywhere (EIP-2); it goes with the negative of the point.
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
