/** Nonces issued here and not used yet (protocol.md §3): used up by the first look, bounded, short-lived. */
import type { Clock, Random } from '../domain/ports.ts';

const NONCE_BYTES = 16;

export interface NonceBookOptions {
  /** `POP_TIMEOUT_SECONDS`. */
  readonly ttlSeconds: number;
  /** `MAX_NONCES`: at this many the oldest goes. */
  readonly maxNonces: number;
}

export class NonceBook {
  readonly #options: NonceBookOptions;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #random: Pick<Random, 'bytes'>;
  /** Text to Unix seconds of issue, oldest first. */
  readonly #issued = new Map<string, number>();

  constructor(options: NonceBookOptions, modules: { readonly clock: Pick<Clock, 'nowMs'>; readonly random: Pick<Random, 'bytes'> }) {
    this.#options = options;
    this.#clock = modules.clock;
    this.#random = modules.random;
  }

  /** Base64 of 16 random bytes. */
  issue(): string {
    const nonce = Buffer.from(this.#random.bytes(NONCE_BYTES)).toString('base64');
    this.note(nonce, Math.floor(this.#clock.nowMs() / 1000));
    return nonce;
  }

  /** Takes a nonce as issued at a time. `issue` is made of it; fixed vectors use it. */
  note(nonce: string, issuedAtSeconds: number): void {
    this.#issued.delete(nonce);
    this.#issued.set(nonce, issuedAtSeconds);
    for (const oldest of this.#issued.keys()) {
      if (this.#issued.size <= this.#options.maxNonces) break;
      this.#issued.delete(oldest);
    }
  }

  /** Compared as text. The nonce is gone afterwards, whatever the answer. */
  consume(nonce: string): 'ok' | 'unknown' | 'expired' {
    const issuedAt = this.#issued.get(nonce);
    if (issuedAt === undefined) return 'unknown';
    this.#issued.delete(nonce);
    const ageSeconds = Math.floor(this.#clock.nowMs() / 1000) - issuedAt;
    return ageSeconds > this.#options.ttlSeconds ? 'expired' : 'ok';
  }

  get size(): number {
    return this.#issued.size;
  }
}
