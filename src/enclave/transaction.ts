/** Signs EIP-1559 transactions with a key in this process: the emulator's and the development wallet's way. */
import { keccak256, serializeTransaction, type Hex } from 'viem';
import type { Hash32 } from '../domain/ids.ts';
import type { SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';
import { signDigest } from '../crypto/signature.ts';

const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`;

export function signTransaction(privateKey: Uint8Array, transaction: UnsignedTransaction): SignedTransaction {
  const fields = {
    type: 'eip1559',
    chainId: transaction.chainId,
    nonce: transaction.nonce,
    maxPriorityFeePerGas: transaction.maxPriorityFeePerGas,
    maxFeePerGas: transaction.maxFeePerGas,
    gas: transaction.gasLimit,
    to: transaction.to as Hex,
    value: transaction.value,
    data: transaction.data,
  } as const;
  const digest = Buffer.from(keccak256(serializeTransaction(fields)).slice(2), 'hex');
  const { r, s, yParity } = signDigest(privateKey, digest);
  const rawTransaction = serializeTransaction(fields, { r: hex(r), s: hex(s), yParity });
  return { rawTransaction, transactionHash: keccak256(rawTransaction) as Hash32 };
}
