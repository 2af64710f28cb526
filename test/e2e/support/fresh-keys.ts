/** Keys of an instance that the test process imitates. */
import { randomBytes } from 'node:crypto';
import { p384FromScalar } from '../../../src/crypto/p384.ts';
import { isPrivateKey, walletOfPrivateKey } from '../../../src/crypto/signature.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';

export interface FreshKeys {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  /** 32 bytes in hex. */
  readonly walletKey: string;
  /** 48 bytes in hex, below the order of P-384. */
  readonly teeScalar: string;
}

export function freshKeys(): FreshKeys {
  const key = randomBytes(32);
  if (!isPrivateKey(key)) return freshKeys();
  const teeScalar = `00${randomBytes(47).toString('hex')}`;
  const { publicKeyDer } = p384FromScalar(teeScalar);
  return { wallet: walletOfPrivateKey(key), teePubkey: publicKeyDer, walletKey: key.toString('hex'), teeScalar };
}
