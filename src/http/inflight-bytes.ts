/**
 * Limits the memory for all bodies that are being read and all answers that are being made (protocol.md §10, Bounds): half for `/sync`,
 * half for the other routes. A caller may use at most a quarter of its half. A request that is alone in its half may have any permitted
 * size. Bytes are counted as they arrive, and released when the answer has been sent and the work for it has ended.
 */
import { RefusalError } from '../domain/errors.ts';

const RETRY_AFTER_SECONDS = 1;

/** One half of `MAX_INFLIGHT_BYTES`. */
export class InflightBytes {
  readonly #maxBytes: number;
  readonly #byCaller = new Map<string, number>();
  #held = 0;
  /** The lease that exceeded its caller's share while it was the only one. It may keep growing; other requests get the remaining room. */
  #large: ByteLease | null = null;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The bytes that are counted in this half now. */
  get held(): number {
    return this.#held;
  }

  open(caller: string): ByteLease {
    return new ByteLease(this, caller);
  }

  /** Whether the lease may take this many more bytes now. Called only by `ByteLease`. */
  fits(lease: ByteLease, moreBytes: number): boolean {
    if (this.#large === lease || this.#held === lease.bytes) return true;
    return this.#held + moreBytes <= this.#maxBytes && !this.#exceedsShare(lease, moreBytes);
  }

  /** Counts bytes for a lease; a negative number releases bytes. Called only by `ByteLease`. */
  count(lease: ByteLease, bytes: number): void {
    if (bytes > 0 && this.#large === null && this.#held === lease.bytes && this.#exceedsShare(lease, bytes)) this.#large = lease;
    this.#held += bytes;
    const left = (this.#byCaller.get(lease.caller) ?? 0) + bytes;
    if (left === 0) this.#byCaller.delete(lease.caller);
    else this.#byCaller.set(lease.caller, left);
  }

  /** Releases all bytes of a lease. Called only by `ByteLease`. */
  release(lease: ByteLease): void {
    this.count(lease, -lease.bytes);
    if (this.#large === lease) this.#large = null;
  }

  #exceedsShare({ caller }: ByteLease, moreBytes: number): boolean {
    return (this.#byCaller.get(caller) ?? 0) + moreBytes > this.#maxBytes / 4;
  }
}

/** The bytes that one request holds. */
export class ByteLease {
  readonly caller: string;
  readonly #half: InflightBytes;
  #bytes = 0;
  #reserved = 0;

  constructor(half: InflightBytes, caller: string) {
    this.#half = half;
    this.caller = caller;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Checks for room without counting. @throws RefusalError service_unavailable when this many more bytes do not fit now */
  expect(bytes: number): void {
    if (this.#half.fits(this, bytes)) return;
    throw new RefusalError('service_unavailable', 'the requests under way already use all the memory that is allowed for them', RETRY_AFTER_SECONDS);
  }

  /** @throws the same refusal as `expect` */
  add(bytes: number): void {
    this.expect(bytes);
    this.count(bytes);
  }

  /** Counts bytes without a check for room; a negative number releases bytes. */
  count(bytes: number): void {
    this.#half.count(this, bytes);
    this.#bytes += bytes;
  }

  /** Reserves room for an answer before it is made. @throws the same refusal as `expect` */
  reserve(bytes: number): void {
    this.add(bytes);
    this.#reserved += bytes;
  }

  /** Counts an answer's bytes instead of the bytes that were reserved for it. @throws like `expect`, but only if `mayBeRefused` */
  countAnswer(bytes: number, mayBeRefused: boolean): void {
    const more = bytes - this.#reserved;
    if (mayBeRefused && more > 0) this.expect(more);
    this.#reserved = 0;
    this.count(more);
  }

  release(): void {
    this.#half.release(this);
    this.#bytes = 0;
    this.#reserved = 0;
  }
}
