/** EIP-191 personal_sign over secp256k1: the proofs and answer signatures of protocol.md §3. */
import { LRUCache } from 'lru-cache';
import secp256k1 from 'secp256k1';
import type { Wallet } from '../domain/ids.ts';
import { keccak256Bytes } from './hash.ts';

const SIGNATURE = /^(?:0x)?([0-9a-fA-F]{130})$/;
/** Half the order of secp256k1 (SEC 2, section 2.4.1). A larger s is called high. */
const LARGEST_LOW_S = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex');

/** Maximum number of public keys whose wallets are remembered. An entry takes about 300 bytes. */
const MAX_KNOWN_WALLETS = 1_024;

/** The 32 bytes that are signed for a message. */
export function eip191Digest(message: string): Uint8Array {
  return keccak256Bytes(Buffer.from(`\x19Ethereum Signed Message:\n${Buffer.byteLength(message, 'utf8')}${message}`, 'utf8'));
}

/** Wallets of public keys, because hashing a key in JavaScript costs a tenth as much as recovering it. */
const knownWallets = new LRUCache<string, Wallet>({ max: MAX_KNOWN_WALLETS });

/** @param publicKey 65 bytes, uncompressed */
function walletOfPublicKey(publicKey: Uint8Array): Wallet {
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('latin1');
  const known = knownWallets.get(name);
  if (known !== undefined) return known;
  const wallet = `0x${Buffer.from(keccak256Bytes(publicKey.subarray(1)).subarray(12)).toString('hex')}` as Wallet;
  knownWallets.set(name, wallet);
  return wallet;
}

/** EIP-191 signers write v as 27 or 28, some as 0 or 1. Null for any other v. */
function recoveryId(v: number): number | null {
  if (v === 27 || v === 28) return v - 27;
  return v === 0 || v === 1 ? v : null;
}

/**
 * The wallet that signed; null if the signature is not valid. A signature is 65 bytes of hex, with or without `0x`. A high s is refused
 * (EIP-2), because no signer makes one, and accepting it would make a second signature valid for the same proof.
 */
export function recoverEip191(message: string, signature: string): Wallet | null {
  const hex = SIGNATURE.exec(signature)?.[1];
  if (hex === undefined) return null;
  const bytes = Buffer.from(hex, 'hex');
  const id = recoveryId(bytes[64]!);
  if (id === null) return null;
  if (bytes.compare(LARGEST_LOW_S, 0, 32, 32, 64) > 0) return null;
  try {
    return walletOfPublicKey(secp256k1.ecdsaRecover(bytes.subarray(0, 64), id, eip191Digest(message), false));
  } catch {
    return null;
  }
}

export interface DigestSignature {
  /** `r` and `s` have 32 bytes each. */
  readonly r: Uint8Array;
  readonly s: Uint8Array;
  readonly yParity: 0 | 1;
}

/** @param digest 32 bytes */
export function signDigest(privateKey: Uint8Array, digest: Uint8Array): DigestSignature {
  const { signature, recid } = secp256k1.ecdsaSign(digest, privateKey);
  return { r: signature.slice(0, 32), s: signature.slice(32), yParity: recid === 0 ? 0 : 1 };
}

/** `0x` + 65 bytes in lower-case hex. @param firstV the lower of the two possible values of v */
export function signatureText({ r, s, yParity }: DigestSignature, firstV: 0 | 27): string {
  return `0x${Buffer.concat([r, s, Uint8Array.of(firstV + yParity)]).toString('hex')}`;
}

/** Returns the signature as `signatureText` does. @param firstV 27 for wallets, 0 for today's platform (protocol.md §7) */
export function signEip191(privateKey: Uint8Array, message: string, firstV: 0 | 27 = 27): string {
  return signatureText(signDigest(privateKey, eip191Digest(message)), firstV);
}

/** @throws Error when the 32 bytes are not a secp256k1 key */
export function walletOfPrivateKey(privateKey: Uint8Array): Wallet {
  return walletOfPublicKey(secp256k1.publicKeyCreate(privateKey, false));
}

/** The public key in 65 bytes, uncompressed. */
export function publicKeyOfPrivateKey(privateKey: Uint8Array): Uint8Array {
  return secp256k1.publicKeyCreate(privateKey, false);
}

export function isPrivateKey(bytes: Uint8Array): boolean {
  return bytes.length === 32 && secp256k1.privateKeyVerify(bytes);
}
