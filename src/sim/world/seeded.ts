/**
 * Random numbers that are the same in each run with the same seed. Each stream has a name and is separate. So the random numbers of one
 * part do not depend on how many numbers other parts draw. The generator is sfc32 (PractRand): fast, but not safe for secrets outside a
 * simulation.
 */
import type { Random } from '../../domain/ports.ts';

export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  /** @param name the name of the stream; it includes the seed */
  constructor(name: string) {
    [this.#a, this.#b, this.#c] = hash96(name);
    for (let warm = 0; warm < 12; warm += 1) this.#next();
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.#next();
      for (let byte = 0; byte < 4 && at + byte < length; byte += 1) out[at + byte] = word >>> (8 * byte);
    }
    return out;
  }

  unit(): number {
    return this.#next() / 2 ** 32;
  }

  /** A whole number from `min` to `max`, both inclusive. */
  between(min: number, max: number): number {
    return min + Math.floor(this.unit() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  /** @throws RangeError on an empty list */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError('there is nothing to pick from');
    return items[Math.floor(this.unit() * items.length)]!;
  }

  /** The time until the next event of a Poisson process. */
  exponential(meanMs: number): number {
    return -Math.log(1 - this.unit()) * meanMs;
  }

  #next(): number {
    const out = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + out | 0;
    return out >>> 0;
  }
}

/** Three FNV-1a hashes with different start values. */
function hash96(text: string): [number, number, number] {
  const hashes = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b].map((start) => {
    let hash = start;
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    return hash >>> 0;
  });
  return hashes as [number, number, number];
}
