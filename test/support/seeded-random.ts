/** Random numbers that are determined by a seed. They are made with SHA-256 in counter mode. */
import { createHash } from 'node:crypto';
import type { Random } from '../../src/domain/ports.ts';

export class SeededRandom implements Random {
  readonly #seed: string;
  #counter = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256').update(`${this.#seed}:${this.#counter++}`).digest();
      out.set(block.subarray(0, Math.min(32, length - at)), at);
    }
    return out;
  }

  unit(): number {
    return Buffer.from(this.bytes(4)).readUInt32BE() / 2 ** 32;
  }
}
