/** Hashes, and a comparison in constant time. */
import { hash, timingSafeEqual } from 'node:crypto';
import { keccak_256 } from '@noble/hashes/sha3.js';
import type { Hash32 } from '../domain/ids.ts';

/** Keccak-256 as Ethereum uses it. */
export function keccak256(bytes: Uint8Array): Hash32 {
  return `0x${Buffer.from(keccak_256(bytes)).toString('hex')}` as Hash32;
}

export function keccak256Bytes(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

export function sha256(bytes: Uint8Array | string): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer'));
}

/** SHA-256 as 64 lower-case hex digits. A string is hashed as UTF-8. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}

/** Compares two values in a time that depends only on their lengths. Strings are compared as UTF-8. */
export function constantTimeEqual(a: Uint8Array | string, b: Uint8Array | string): boolean {
  const left = Buffer.from(a as string);
  const right = Buffer.from(b as string);
  return left.length === right.length && timingSafeEqual(left, right);
}
