/** Signs EIP-1559 transactions with a key in this process, for the emulator and the development wallet. */
import { keccak256, serializeTransaction, type AccessList, type Hex } from 'viem';
import type { Hash32, Wallet } from '../domain/ids.ts';
import type { SignedTransaction, UnsignedTransaction } from '../domain/ports.ts';
import { signDigest, type DigestSignature } from '../crypto/signature.ts';

const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`;

export interface SignableTransaction extends Omit<UnsignedTransaction, 'to'> {
  /** Null: the transaction deploys a contract. */
  readonly to: Wallet | null;
  readonly accessList?: AccessList;
}

export function signTransaction(privateKey: Uint8Array, transaction: SignableTransaction): SignedTransaction & { readonly signature: DigestSignature } {
  const fields = {
    type: 'eip1559',
    chainId: transaction.chainId,
    nonce: transaction.nonce,
    maxPriorityFeePerGas: transaction.maxPriorityFeePerGas,
    maxFeePerGas: transaction.maxFeePerGas,
    gas: transaction.gasLimit,
    to: transaction.to as Hex | null,
    value: transaction.value,
    data: transaction.data,
    accessList: transaction.accessList ?? [],
  } as const;
  const digest = Buffer.from(keccak256(serializeTransaction(fields)).slice(2), 'hex');
  const signature = signDigest(privateKey, digest);
  const rawTransaction = serializeTransaction(fields, { r: hex(signature.r), s: hex(signature.s), yParity: signature.yParity });
  return { rawTransaction, transactionHash: keccak256(rawTransaction) as Hash32, signature };
}
