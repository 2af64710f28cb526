/**
 * Nonces (protocol.md §3): issued here, used up by the first look. One costs nothing until it is used: its 16 bytes are the time
 * of issue, a counter and a MAC of both under a key of this process. A used one is one bit, kept until that nonce would have
 * expired anyway and never dropped early, so no one can push out the nonces of others. Times are of the monotonic clock: no
 * clock that is set makes a used nonce good again.
 */
import { constantTimeEqual } from '../crypto/hash.ts';
import { MacKey } from '../crypto/mac-key.ts';
import type { Clock, Random } from '../domain/ports.ts';

const NONCE_BYTES = 16;
/** Time of issue in seconds since the start, then the counter: 4 bytes each. The rest is the MAC. */
const COUNTER_AT = 4;
const MAC_AT = 8;
const KEY_BYTES = 32;
const COUNTERS = 2 ** 32;
/** Counters whose bits lie together. */
const PAGE_BITS = 1_024;

/** Whether the nonces of 1,024 counters in a row are used. */
interface Page {
  readonly bits: Uint8Array;
  /** Of the youngest used nonce in it: the page goes when that one has expired. */
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
  /** Drawn with the first nonce. */
  #key: MacKey | null = null;
  readonly #startedMs: number;
  /** By the number of the page, in the order of their first use. */
  readonly #pages = new Map<number, Page>();
  /** Nonces of other issuers that count as issued here, with the seconds of their issue. Tests alone fill it. */
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
    const bytes = Buffer.alloc(NONCE_BYTES);
    bytes.writeUInt32BE(this.#nowSeconds(), 0);
    bytes.writeUInt32BE(this.#counter, COUNTER_AT);
    this.#counter = (this.#counter + 1) % COUNTERS;
    bytes.set(this.#macOf(bytes), MAC_AT);
    return bytes.toString('base64');
  }

  /** Takes a nonce as issued at a time (Unix seconds). Fixed vectors use it. */
  note(nonce: string, issuedAtSeconds: number): void {
    const ageSeconds = Math.floor(this.#clock.nowMs() / 1000) - issuedAtSeconds;
    this.#noted.set(nonce, this.#nowSeconds() - ageSeconds);
  }

  /** Compared as text. The nonce is used afterwards, regardless of the answer. */
  consume(nonce: string): 'ok' | 'unknown' | 'expired' {
    const issuedSeconds = this.#use(nonce);
    if (issuedSeconds === null) return 'unknown';
    return this.#isExpired(issuedSeconds) ? 'expired' : 'ok';
  }

  /** Used nonces that are remembered. */
  get used(): number {
    return this.#used;
  }

  /** The second of its issue; null when it is unknown or used. */
  #use(nonce: string): number | null {
    const noted = this.#noted.get(nonce);
    if (noted !== undefined) {
      this.#noted.delete(nonce);
      return noted;
    }
    const bytes = Buffer.from(nonce, 'base64');
    if (bytes.length !== NONCE_BYTES || bytes.toString('base64') !== nonce) return null;
    if (!constantTimeEqual(bytes.subarray(MAC_AT), this.#macOf(bytes))) return null;
    const issuedSeconds = bytes.readUInt32BE(0);
    // What has expired needs no bit: it stays so.
    if (this.#isExpired(issuedSeconds)) return issuedSeconds;
    return this.#setBit(bytes.readUInt32BE(COUNTER_AT), issuedSeconds) ? issuedSeconds : null;
  }

  /** False when it was set already. */
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

  /** Pages come in the order of their first use: one that must stay may hold up others, for one life of a nonce at most. */
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

  #macOf(bytes: Uint8Array): Uint8Array {
    this.#key ??= new MacKey(this.#random.bytes(KEY_BYTES));
    return this.#key.mac(bytes.subarray(0, MAC_AT)).subarray(0, NONCE_BYTES - MAC_AT);
  }
}
