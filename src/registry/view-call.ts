/** One call of a view function of a contract, and its result (protocol.md §6). */
import type { Abi, Hex } from 'viem';

export interface ViewCall {
  readonly address: Hex;
  readonly abi: Abi;
  readonly functionName: string;
  readonly args?: readonly unknown[];
}

/** What a view returned, decoded with its ABI, or why there is no result. */
export type ViewResult = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: ViewFault };
/**
 * `reverted`: the contract's answer. `empty`: no bytes, as from an address without a contract. `empty` and `undecodable` are not
 * answers.
 */
export type ViewFault = 'empty' | 'reverted' | 'undecodable';
