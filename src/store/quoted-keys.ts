/**
 * The keys of an app as quoted JSON (domain/quoted-json.ts), for listings. The JSON of each piece of the sorted keys is made when it is
 * first listed. It is kept until a key of the piece is added or removed, because quoting 50,000 keys for every listing would cost more than
 * the rest of the answer. All apps of a store share the space for kept JSON. The JSON that was listed least recently is dropped first.
 */
import { quotePiece, QuotedValue, type QuotedPiece } from '../domain/quoted-json.ts';

/** Maximum size of all kept JSON of a store. The enclave API accepts no longer plaintext. Bytes. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;
/** Memory of the kept JSON of one piece without its bytes: the objects and the entry in the map. Bytes. */
const PIECE_BYTES = 512;

export class QuotedKeys {
  readonly #maxBytes: number;
  /** By the array of keys. The JSON that was listed least recently is first. */
  readonly #kept = new Map<readonly string[], QuotedPiece>();
  #bytes = 0;

  constructor(maxBytes = MAX_KEPT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Memory that the kept JSON takes. Bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The keys as JSON strings, with a comma before each. @param keys not empty; the JSON is kept for this array, until `drop` */
  of(keys: readonly string[]): QuotedPiece {
    let piece = this.#kept.get(keys);
    if (piece === undefined) {
      piece = quoteKeys(keys);
      this.#bytes += bytesOf(piece);
    } else this.#kept.delete(keys);
    this.#kept.set(keys, piece);
    for (const [oldest] of this.#kept) {
      if (this.#bytes <= this.#maxBytes) break;
      this.drop(oldest);
    }
    return piece;
  }

  /** Drops the JSON of these keys, if it is kept. */
  drop(keys: readonly string[]): void {
    const piece = this.#kept.get(keys);
    if (piece === undefined) return;
    this.#kept.delete(keys);
    this.#bytes -= bytesOf(piece);
  }
}

/** The keys as JSON strings, with a comma before each. @param keys not empty */
export function quoteKeys(keys: readonly string[]): QuotedPiece {
  return quotePiece(`,${JSON.stringify(keys).slice(1, -1)}`);
}

/** The keys as a JSON array. @param pieces from `quoteKeys` */
export function quotedArray(pieces: readonly QuotedPiece[]): QuotedValue {
  const [first, ...rest] = pieces;
  if (first === undefined) return new QuotedValue([quotePiece('[]')]);
  // The array begins with `[` instead of the comma.
  return new QuotedValue([quotePiece('['), { quoted: first.quoted.subarray(1), plainBytes: first.plainBytes - 1 }, ...rest, quotePiece(']')]);
}

function bytesOf({ quoted }: QuotedPiece): number {
  return PIECE_BYTES + quoted.length;
}
