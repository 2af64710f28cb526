/**
 * The identifiers of the protocol as branded types (protocol.md, Terms). Text from outside becomes an identifier only through a parse
 * function here.
 */
import { isHex } from './hex.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** secp256k1 Ethereum address of an enclave instance: `0x` + 40 lower-case hex digits. */
export type Wallet = Branded<string, 'Wallet'>;

/** P-384 public key as DER SubjectPublicKeyInfo, lower-case hex without `0x`. */
export type TeePubkey = Branded<string, 'TeePubkey'>;

/** 32-byte hash, `0x` + 64 lower-case hex digits. The chain hash and transaction hashes have this form. */
export type Hash32 = Branded<`0x${string}`, 'Hash32'>;

/** An app id that fits a JSON number exactly: 0..2^53-1. */
export type AppId = Branded<number, 'AppId'>;

/** 8 random bytes as hex, drawn whenever a store starts empty (protocol.md §4). */
export type StoreId = Branded<string, 'StoreId'>;

/** The chain hash when no master secret is claimed. */
export const ZERO_HASH = `0x${'0'.repeat(64)}` as Hash32;

/** Reads a wallet with or without `0x`, in upper or lower case; spaces around it are ignored. `null` if it is not a wallet. */
export function parseWallet(text: string): Wallet | null {
  const match = /^(?:0x)?([0-9a-fA-F]{40})$/.exec(text.trim());
  return match === null ? null : (`0x${match[1]!.toLowerCase()}` as Wallet);
}

/** Reads DER hex with or without `0x`, in upper or lower case. Checks that the string is hex, not that it contains a key. */
export function parseTeePubkey(text: string): TeePubkey | null {
  const bare = text.startsWith('0x') ? text.slice(2) : text;
  return bare.length > 0 && isHex(bare) ? (bare.toLowerCase() as TeePubkey) : null;
}

/** Reads a 32-byte hash with `0x`. */
export function parseHash32(text: string): Hash32 | null {
  return /^0x[0-9a-fA-F]{64}$/.test(text) ? (text.toLowerCase() as Hash32) : null;
}

/** Narrows a chain's uint256 to an app id; `null` when a JSON number could not hold it exactly. */
export function toAppId(value: bigint | number): AppId | null {
  const number = Number(value);
  return Number.isSafeInteger(number) && number >= 0 && BigInt(number) === BigInt(value) ? (number as AppId) : null;
}
