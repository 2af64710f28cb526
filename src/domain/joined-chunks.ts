/**
 * Joins the chunks of a body. Small chunks are copied into blocks, because a sender may send one byte per chunk, and each chunk that is
 * kept costs more than a hundred bytes in addition to its content. The buffers take at most about twice as much memory as the bytes
 * that were added.
 */

/** A chunk of at least this length is kept as it is. Also the maximum length of a block. Bytes. */
const BLOCK_BYTES = 16 * 1024;

export class JoinedChunks {
  readonly #pieces: Uint8Array[] = [];
  /** The block that small chunks are copied into. */
  #block = new Uint8Array(0);
  #used = 0;
  #bytes = 0;

  /** The number of bytes that were added. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of buffers that are held. */
  get pieces(): number {
    return this.#pieces.length + (this.#used > 0 ? 1 : 0);
  }

  add(chunk: Uint8Array): void {
    const isFirst = this.#bytes === 0;
    this.#bytes += chunk.length;
    // Most bodies have only one chunk. That chunk is not copied.
    if (isFirst || chunk.length >= BLOCK_BYTES) {
      this.#endBlock();
      this.#pieces.push(chunk);
      return;
    }
    const fitting = chunk.subarray(0, this.#block.length - this.#used);
    this.#copy(fitting);
    if (fitting.length === chunk.length) return;
    this.#endBlock();
    // The new block is no longer than the body so far, so that a short body does not take up a long block.
    this.#block = new Uint8Array(Math.min(BLOCK_BYTES, this.#bytes));
    this.#copy(chunk.subarray(fitting.length));
  }

  /** All bytes; call it once, at the end. */
  join(): Buffer {
    this.#endBlock();
    const [first] = this.#pieces;
    if (first === undefined || this.#pieces.length > 1) return Buffer.concat(this.#pieces, this.#bytes);
    return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  }

  #copy(bytes: Uint8Array): void {
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #endBlock(): void {
    if (this.#used > 0) this.#pieces.push(this.#block.subarray(0, this.#used));
    this.#block = new Uint8Array(0);
    this.#used = 0;
  }
}
