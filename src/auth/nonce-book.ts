/**
 * Issues nonces (protocol.md §3). The first lookup of a nonce uses it up. An unused nonce takes no memory: its 16 bytes are the time of
 * issue, a counter, and a MAC of both with a key of this process. A used nonce takes one bit. The bit is kept at least until the nonce would
 * have expired, so one client cannot make the node forget used nonces. Times come from the monotonic clock, so setting the system clock does
 * not make a used nonce valid again.
 */
import { constantTimeEqual, sha256Hex } from '../crypto/hash.ts';
import type { Clock, Random } from '../domain/ports.ts';
import { secretBytes } from '../domain/secret-bytes.ts';

const NONCE_BYTES = 16;
/** The first 4 bytes are the time of issue, in seconds since this book was made, and the next 4 the counter. The rest is the MAC. */
const COUNTER_AT = 4;
const MAC_AT = 8;
const KEY_BYTES = 32;
const COUNTERS = 2 ** 32;
/** Number of counters whose bits share a page. */
const PAGE_BITS = 1_024;

/** One bit for each of 1,024 consecutive counters: whether the nonce with that counter has been used. */
interface Page {
  readonly bits: Uint8Array;
  /** Time of issue of the newest used nonce in the page. The page is dropped when that nonce has expired. */
  issuedSeconds: number;
  used: number;
}

export interface NonceBookOptions {
  /** `POP_TIMEOUT_SECONDS`. */
  readonly ttlSeconds: number;
}

export interface NonceBookModules {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly random: Pick<Random, 'bytes'>;
}

export class NonceBook {
  readonly #ttlSeconds: number;
  readonly #clock: NonceBookModules['clock'];
  readonly #random: NonceBookModules['random'];
  /** The key, which is drawn when the first MAC is computed, and room for a message behind it. */
  #keyed: Uint8Array | null = null;
  readonly #startedMs: number;
  /** Pages by number, in the order of their first use. */
  readonly #pages = new Map<number, Page>();
  /** Nonces from other issuers that are treated as issued here, with their time of issue in seconds. Only tests fill this map. */
  readonly #noted = new Map<string, number>();
  #counter = 0;
  #used = 0;

  constructor({ ttlSeconds }: NonceBookOptions, { clock, random }: NonceBookModules) {
    this.#ttlSeconds = ttlSeconds;
    this.#clock = clock;
    this.#random = random;
    this.#startedMs = clock.monotonicMs();
  }

  /** Base64 of 16 bytes. */
  issue(): string {
    const bytes = Buffer.allocUnsafe(NONCE_BYTES);
    bytes.writeUInt32BE(this.#nowSeconds(), 0);
    bytes.writeUInt32BE(this.#counter, COUNTER_AT);
    this.#counter = (this.#counter + 1) % COUNTERS;
    bytes.write(this.#macOf(bytes), MAC_AT, 'hex');
    return bytes.toString('base64');
  }

  /** Treats a nonce as issued here at the given time (Unix seconds), for test vectors with fixed nonces. */
  note(nonce: string, issuedAtSeconds: number): void {
    const ageSeconds = Math.floor(this.#clock.nowMs() / 1000) - issuedAtSeconds;
    this.#noted.set(nonce, this.#nowSeconds() - ageSeconds);
  }

  /** Looks up a nonce. If the result is `ok`, this uses up the nonce. Nonces are compared as strings. */
  consume(nonce: string): 'ok' | 'unknown' | 'expired' {
    const issuedSeconds = this.#use(nonce);
    if (issuedSeconds === null) return 'unknown';
    return this.#isExpired(issuedSeconds) ? 'expired' : 'ok';
  }

  /** Number of used nonces that are remembered. */
  get used(): number {
    return this.#used;
  }

  /** The nonce's time of issue in seconds; null if the nonce is unknown or used. */
  #use(nonce: string): number | null {
    const noted = this.#noted.get(nonce);
    if (noted !== undefined) {
      this.#noted.delete(nonce);
      return noted;
    }
    const bytes = Buffer.from(nonce, 'base64');
    if (bytes.length !== NONCE_BYTES || bytes.toString('base64') !== nonce) return null;
    if (!constantTimeEqual(bytes.toString('hex', MAC_AT), this.#macOf(bytes))) return null;
    const issuedSeconds = bytes.readUInt32BE(0);
    // An expired nonce stays expired, so it needs no bit.
    if (this.#isExpired(issuedSeconds)) return issuedSeconds;
    return this.#setBit(bytes.readUInt32BE(COUNTER_AT), issuedSeconds) ? issuedSeconds : null;
  }

  /** False if the bit was already set. */
  #setBit(counter: number, issuedSeconds: number): boolean {
    this.#dropExpired();
    const number = Math.floor(counter / PAGE_BITS);
    const page = this.#pages.get(number) ?? { bits: new Uint8Array(PAGE_BITS / 8), issuedSeconds, used: 0 };
    const at = (counter % PAGE_BITS) >> 3;
    const bit = 1 << (counter & 7);
    if ((page.bits[at]! & bit) !== 0) return false;
    page.bits[at] = page.bits[at]! | bit;
    page.issuedSeconds = Math.max(page.issuedSeconds, issuedSeconds);
    page.used += 1;
    this.#used += 1;
    this.#pages.set(number, page);
    return true;
  }

  /**
   * Drops expired pages, oldest first, until it reaches a page that must stay. An expired page after that one stays for at most one nonce
   * lifetime.
   */
  #dropExpired(): void {
    for (const [number, page] of this.#pages) {
      if (!this.#isExpired(page.issuedSeconds)) return;
      this.#pages.delete(number);
      this.#used -= page.used;
    }
  }

  #isExpired(issuedSeconds: number): boolean {
    return this.#nowSeconds() - issuedSeconds > this.#ttlSeconds;
  }

  #nowSeconds(): number {
    return Math.floor((this.#clock.monotonicMs() - this.#startedMs) / 1000);
  }

  /**
   * The MAC of the first 8 bytes, in hex: a hash of the key and the message, cut to 8 bytes. HMAC would need a second hash. It protects
   * messages of different lengths, but all messages have the same length here, and a cut hash cannot be continued.
   */
  #macOf(bytes: Buffer): string {
    if (this.#keyed === null) {
      this.#keyed = secretBytes(KEY_BYTES + MAC_AT);
      this.#keyed.set(this.#random.bytes(KEY_BYTES));
    }
    bytes.copy(this.#keyed, KEY_BYTES, 0, MAC_AT);
    return sha256Hex(this.#keyed).slice(0, 2 * (NONCE_BYTES - MAC_AT));
  }
}
