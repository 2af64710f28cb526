/**
 * Parses one HTTP/1.1 answer from the bytes that a connection delivers (RFC 9112). The body ends after its announced length, with its last
 * chunk, or when the connection is closed. Pure.
 */
import { ExpectedError } from '../domain/errors.ts';
import { releaseBytes } from '../domain/large-bytes.ts';

/** Maximum size of an answer's head, and of a line between two chunks. Bytes. */
const MAX_HEAD_BYTES = 16 * 1024;
/** Maximum number of lines after the last chunk. */
const MAX_TRAILERS = 32;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
/** Lengths of the names of the headers that are read. Other headers are skipped without a copy. Characters. */
const FRAMING_NAME_CHARS: ReadonlySet<number> = new Set(['content-length', 'transfer-encoding', 'connection'].map(({ length }) => length));
const START = 'HTTP/1.';
const NO_BYTES = Buffer.alloc(0);
const CHUNK_SIZE = /^([\da-f]{1,8})[ \t]*(?:;.*)?$/i;

/** The server sent bytes that are not a valid HTTP/1.1 answer. The message quotes none of them. */
export class NotHttpError extends ExpectedError {
  readonly code = 'NOT_HTTP';

  constructor(what: string) {
    super(`the answer ${what}`);
    this.name = 'NotHttpError';
  }
}

export interface AnswerLimit {
  /** Maximum size of a body. */
  readonly maxAnswerBytes: number;
  /** Makes the error for a longer body. */
  tooLarge(): Error;
}

type Part = 'head' | 'body' | 'chunk size' | 'chunk' | 'end of chunk' | 'trailers';

export class AnswerReader {
  /** The HTTP status; 0 until the head is complete. */
  status = 0;
  /** Whether the server accepts another request on this connection after the answer. */
  staysOpen = false;
  readonly #limit: AnswerLimit;
  #part: Part = 'head';
  /** Bytes until the end of the body or chunk. Infinity: the body ends when the connection is closed. */
  #left = Infinity;
  #trailers = 0;
  /** An incomplete head or line. */
  #unread: Buffer | null = null;
  /** The whole body, as a view of the bytes of the current read; null if the body arrives in several pieces. */
  #view: Buffer | null = null;
  /** A copy of the pieces that have arrived. It may have free space at its end. */
  #copy = NO_BYTES;
  /** Size of the pieces that have arrived. */
  #bytes = 0;

  constructor(limit: AnswerLimit) {
    this.#limit = limit;
  }

  /** @returns null until the answer is complete, then the body (possibly a view of `received`) @throws NotHttpError, or the error that `tooLarge` makes */
  take(received: Buffer): Buffer | null {
    const bytes = this.#unread === null ? received : Buffer.concat([this.#unread, received]);
    this.#unread = null;
    try {
      const rest = this.#part === 'head' ? this.#takeHead(bytes) : bytes;
      return rest === null ? null : this.#part === 'body' ? this.#takeBody(rest) : this.#takeChunks(rest);
    } finally {
      // The joined bytes may contain a part of the body. If the body is a view of them, the caller overwrites it.
      if (bytes !== received && this.#view === null) bytes.fill(0);
    }
  }

  /** Called when the connection has been closed. @returns the body, if the close is what completes it; otherwise null */
  end(): Buffer | null {
    return this.#part === 'body' && this.#left === Infinity ? this.#whole() : null;
  }

  /** Overwrites and releases the kept bytes. A body that is not a view of `received` is empty afterwards. */
  wipe(): void {
    this.#copy.fill(0);
    releaseBytes(this.#copy);
  }

  /** @returns the bytes after the head; null while it is incomplete */
  #takeHead(received: Buffer): Buffer | null {
    let bytes = received;
    for (;;) {
      // A server that speaks another protocol may send a short greeting and then wait, so even an incomplete head is checked.
      if (!START.startsWith(bytes.toString('latin1', 0, START.length))) throw new NotHttpError('has no status line');
      const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
      if (end > MAX_HEAD_BYTES || (end === -1 && bytes.length > MAX_HEAD_BYTES)) throw new NotHttpError('has a head that is too long');
      if (end === -1) {
        this.#unread = Buffer.from(bytes);
        return null;
      }
      const status = this.#readHead(bytes.toString('latin1', 0, end));
      bytes = bytes.subarray(end + 4);
      if (status >= 200) {
        this.status = status;
        return bytes;
      }
      // This is an interim answer, such as 103. The final answer follows.
      if (bytes.length === 0) return null;
    }
  }

  /** @returns the status */
  #readHead(head: string): number {
    const [statusLine = '', ...fields] = head.split('\r\n');
    const [, version, statusText] = STATUS_LINE.exec(statusLine) ?? [];
    if (statusText === undefined) throw new NotHttpError('has no status line');
    let length: number | null = null;
    let isChunked = false;
    let staysOpen = version === '1';
    for (const field of fields) {
      const colon = field.indexOf(':');
      if (colon <= 0) throw new NotHttpError('has a malformed header');
      if (!FRAMING_NAME_CHARS.has(colon)) continue;
      const name = field.slice(0, colon).toLowerCase();
      if (name === 'content-length') {
        const text = field.slice(colon + 1).trim();
        if (!/^\d{1,15}$/.test(text) || (length !== null && length !== Number(text))) throw new NotHttpError('has no valid length');
        length = Number(text);
      } else if (name === 'transfer-encoding') {
        if (isChunked || field.slice(colon + 1).trim().toLowerCase() !== 'chunked') throw new NotHttpError('has an unknown transfer coding');
        isChunked = true;
      } else if (name === 'connection') {
        const options = field.slice(colon + 1).toLowerCase();
        if (options.includes('close')) staysOpen = false;
        else if (options.includes('keep-alive')) staysOpen = true;
      }
    }
    const status = Number(statusText);
    if (status < 200) {
      if (status === 101) throw new NotHttpError('switches to another protocol');
      return status;
    }
    const isEmpty = status === 204 || status === 304;
    this.#part = isChunked && !isEmpty ? 'chunk size' : 'body';
    this.#left = isEmpty ? 0 : (length ?? Infinity);
    // RFC 9112 §6.3: an answer with both a length and chunks may be an attempt to forge the next answer. An answer with neither ends when
    // the connection is closed.
    this.staysOpen = staysOpen && (isEmpty || isChunked !== (length !== null));
    if (!isChunked && this.#left !== Infinity && this.#left > this.#limit.maxAnswerBytes) throw this.#limit.tooLarge();
    return status;
  }

  #takeBody(bytes: Buffer): Buffer | null {
    const rest = this.#addPiece(bytes);
    // Bytes after the answer cannot be another answer, because no other request has been sent.
    if (rest.length > 0) this.staysOpen = false;
    return this.#left === 0 ? this.#whole() : null;
  }

  #takeChunks(received: Buffer): Buffer | null {
    let bytes = received;
    for (;;) {
      if (this.#part === 'chunk') {
        bytes = this.#addPiece(bytes);
        if (this.#left > 0) return null;
        this.#part = 'end of chunk';
      }
      const end = bytes.indexOf('\r\n', 0, 'latin1');
      if (end > MAX_HEAD_BYTES || (end === -1 && bytes.length > MAX_HEAD_BYTES)) throw new NotHttpError('has a line that is too long');
      if (end === -1) {
        this.#unread = Buffer.from(bytes);
        return null;
      }
      const line = bytes.toString('latin1', 0, end);
      bytes = bytes.subarray(end + 2);
      if (this.#readLine(line)) {
        if (bytes.length > 0) this.staysOpen = false;
        return this.#whole();
      }
    }
  }

  /** @returns whether this line ends the answer */
  #readLine(line: string): boolean {
    if (this.#part === 'trailers') {
      this.#trailers += 1;
      if (this.#trailers > MAX_TRAILERS) throw new NotHttpError('has too many trailers');
      return line === '';
    }
    if (this.#part === 'end of chunk') {
      if (line !== '') throw new NotHttpError('has a chunk of the wrong size');
      this.#part = 'chunk size';
      return false;
    }
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) throw new NotHttpError('has no valid chunk size');
    this.#left = Number.parseInt(size, 16);
    this.#part = this.#left === 0 ? 'trailers' : 'chunk';
    return false;
  }

  /** Adds bytes up to the end of the body or chunk. @returns the bytes after the end */
  #addPiece(bytes: Buffer): Buffer {
    const isLast = bytes.length >= this.#left;
    const piece = isLast ? bytes.subarray(0, this.#left) : bytes;
    if (this.#bytes + piece.length > this.#limit.maxAnswerBytes) throw this.#limit.tooLarge();
    if (piece.length === 0) return isLast ? bytes : NO_BYTES;
    if (this.#part === 'body' && isLast && this.#bytes === 0) this.#view = piece;
    else this.#copyPiece(piece);
    this.#bytes += piece.length;
    this.#left -= piece.length;
    return isLast ? bytes.subarray(piece.length) : NO_BYTES;
  }

  /** All pieces share one buffer, so that an answer in many small chunks takes little more memory than its bytes. */
  #copyPiece(piece: Buffer): void {
    const needed = this.#bytes + piece.length;
    if (needed > this.#copy.length) {
      const doubled = Math.min(Math.max(needed, 2 * this.#copy.length), this.#limit.maxAnswerBytes);
      const larger = Buffer.allocUnsafeSlow(this.#part === 'body' && this.#left !== Infinity ? this.#left : doubled);
      larger.set(this.#copy);
      this.wipe();
      this.#copy = larger;
    }
    this.#copy.set(piece, this.#bytes);
  }

  #whole(): Buffer {
    return this.#view ?? this.#copy.subarray(0, this.#bytes);
  }
}
