/**
 * HMAC-SHA256 (RFC 2104) under a key that is used again and again. What node:crypto makes for each MAC, a stream with its own state,
 * costs ten times as much as the two hashes of which it consists. The padded key is made once; a MAC is two hashes of bytes that
 * are there as a whole.
 */
import { hash } from 'node:crypto';
import { invariant } from '../domain/errors.ts';

/** Of SHA-256. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

export class MacKey {
  /** The padded key, then what is hashed. */
  readonly #inner: Buffer;
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

  /**
   * @param key at most 64 bytes
   * @param messageBytes length of all messages
   */
  constructor(key: Uint8Array, messageBytes: number) {
    invariant(key.length <= BLOCK_BYTES, 'the key of a MAC is longer than a block');
    this.#inner = Buffer.alloc(BLOCK_BYTES + messageBytes);
    for (let at = 0; at < BLOCK_BYTES; at += 1) {
      this.#inner[at] = (key[at] ?? 0) ^ INNER_PAD;
      this.#outer[at] = (key[at] ?? 0) ^ OUTER_PAD;
    }
  }

  /** 32 bytes. */
  mac(message: Uint8Array): Uint8Array {
    invariant(message.length === this.#inner.length - BLOCK_BYTES, 'a MAC was asked for over another length than its key was made for');
    this.#inner.set(message, BLOCK_BYTES);
    this.#outer.set(hash('sha256', this.#inner, 'buffer'), BLOCK_BYTES);
    return hash('sha256', this.#outer, 'buffer');
  }
}
