/**
 * Checks and normalises the answers of the enclave API (protocol.md §7). It uses no schema, because every app request needs three of these
 * answers, and checking them with a schema costs several times as much. A test compares each check with a schema.
 */
import { SealedBytes } from '../domain/envelope.ts';
import { HexBytes, isHex, lowerHex } from '../domain/hex.ts';
import { parseHash32, parseTeePubkey, parseWallet, type Hash32, type TeePubkey, type Wallet } from '../domain/ids.ts';
import { MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { SealedText, SignedTransaction } from '../domain/ports.ts';

/** A signature consists of r, s and v. */
const SIGNATURE_BYTES = 65;

type Fields = Readonly<Record<string, unknown>>;

/** Each function returns null for a malformed answer. */
export const readOdynAnswer = {
  address: ({ address }: Fields): Wallet | null => (typeof address === 'string' ? parseWallet(address) : null),
  publicKey: ({ public_key_der: key }: Fields): TeePubkey | null => (typeof key === 'string' ? parseTeePubkey(key) : null),
  /** Returns lower-case hex without `0x`. */
  random: ({ random_bytes: text }: Fields): string | null => (isPrefixedHex(text, MASTER_SECRET_BYTES) ? bare(text) : null),
  sign: ({ signature }: Fields): string | null => (isPrefixedHex(signature, SIGNATURE_BYTES) ? signature.toLowerCase() : null),
  signTransaction: ({ raw_transaction: raw, transaction_hash: hash }: Fields): SignedTransaction | null => {
    const transactionHash: Hash32 | null = typeof hash === 'string' ? parseHash32(hash) : null;
    return isPrefixedHex(raw) && transactionHash !== null ? { rawTransaction: raw as `0x${string}`, transactionHash } : null;
  },
  encrypt: ({ enclave_public_key: key, nonce, encrypted_data: data }: Fields): SealedText | null => {
    const senderPubkey = typeof key === 'string' ? parseTeePubkey(key) : null;
    if (senderPubkey === null || !isAnyHex(nonce)) return null;
    if (data instanceof HexBytes) return new SealedBytes(senderPubkey, bare(nonce), data);
    return isAnyHex(data) ? { senderPubkey, nonce: bare(nonce), encryptedData: bare(data) } : null;
  },
  decrypt: ({ plaintext }: Fields): string | null => (typeof plaintext === 'string' ? plaintext : null),
} as const;

export type OdynOperation = keyof typeof readOdynAnswer;
export type OdynAnswer<Operation extends OdynOperation> = NonNullable<ReturnType<(typeof readOdynAnswer)[Operation]>>;

/** @param bytes the exact length; if absent, any length but 0 */
function isPrefixedHex(text: unknown, bytes?: number): text is string {
  if (typeof text !== 'string' || !text.startsWith('0x')) return false;
  return (bytes === undefined ? text.length > 2 : text.length === 2 + 2 * bytes) && isHex(text.slice(2));
}

/** Accepts hex with or without `0x`. */
function isAnyHex(text: unknown): text is string {
  return typeof text === 'string' && isHex(withoutPrefix(text));
}

function bare(text: string): string {
  return lowerHex(withoutPrefix(text));
}

function withoutPrefix(text: string): string {
  return text.startsWith('0x') ? text.slice(2) : text;
}
