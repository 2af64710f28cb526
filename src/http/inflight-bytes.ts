/**
 * What bodies being read and answers being made may take of memory, all together (protocol.md §10, Bounds): half for `/sync`, half for
 * the rest. A caller holds at most a quarter of its half, and an empty half admits one request of any permitted size. Bytes count as
 * they come, until the answer has gone.
 */
import { RefusalError } from '../domain/errors.ts';

const RETRY_AFTER_SECONDS = 1;

/** One of the halves of `MAX_INFLIGHT_BYTES`. */
export class InflightBytes {
  readonly #maxBytes: number;
  readonly #byCaller = new Map<string, number>();
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  open(caller: string): ByteLease {
    return new ByteLease((ownBytes, moreBytes) => this.#fits(caller, ownBytes, moreBytes), (bytes) => this.#add(caller, bytes));
  }

  #fits(caller: string, ownBytes: number, moreBytes: number): boolean {
    if (this.#held === ownBytes) return true;
    return this.#held + moreBytes <= this.#maxBytes && (this.#byCaller.get(caller) ?? 0) + moreBytes <= this.#maxBytes / 4;
  }

  #add(caller: string, bytes: number): void {
    this.#held += bytes;
    const left = (this.#byCaller.get(caller) ?? 0) + bytes;
    if (left === 0) this.#byCaller.delete(caller);
    else this.#byCaller.set(caller, left);
  }
}

/** What one request holds. */
export class ByteLease {
  readonly #fits: (ownBytes: number, moreBytes: number) => boolean;
  readonly #count: (bytes: number) => void;
  #bytes = 0;

  constructor(fits: (ownBytes: number, moreBytes: number) => boolean, count: (bytes: number) => void) {
    this.#fits = fits;
    this.#count = count;
  }

  /** Nothing is counted yet. @throws RefusalError service_unavailable when so many bytes would not fit now */
  expect(bytes: number): void {
    if (this.#fits(this.#bytes, bytes)) return;
    throw new RefusalError('service_unavailable', 'the node holds as many bytes of requests as it may', RETRY_AFTER_SECONDS);
  }

  /** @throws as `expect` */
  add(bytes: number): void {
    this.expect(bytes);
    this.count(bytes);
  }

  count(bytes: number): void {
    this.#bytes += bytes;
    this.#count(bytes);
  }

  release(): void {
    this.#count(-this.#bytes);
    this.#bytes = 0;
  }
}
