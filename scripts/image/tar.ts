/**
 * Creates a tar from a list of files (ustar, POSIX.1-1988). The tar does not depend on the user, the folder or the current time: its files
 * are sorted by name, belong to user 0, and all have the same time. Paths that do not fit into a header are refused.
 */
import { Buffer } from 'node:buffer';

export interface TreeFile {
  /** The path without a leading slash. */
  readonly path: string;
  /** Permissions. */
  readonly mode: number;
  /** Null for a folder. */
  readonly bytes: Uint8Array | null;
}

const BLOCK_BYTES = 512;
/** A tar ends with two empty blocks. */
const END = Buffer.alloc(2 * BLOCK_BYTES);
const NAME_BYTES = 100;
/** Position and length of the checksum in a header. */
const CHECKSUM = { at: 148, bytes: 8 };

/**
 * Yields the parts of the tar, to be written one after another.
 * @param seconds the Unix time for every file
 * @throws RangeError for a path longer than 100 bytes
 */
export function* tarOf(files: readonly TreeFile[], seconds: number): Generator<Uint8Array> {
  for (const file of inOrder(files)) {
    yield header(file, seconds);
    if (file.bytes === null) continue;
    yield file.bytes;
    const over = file.bytes.length % BLOCK_BYTES;
    if (over > 0) yield Buffer.alloc(BLOCK_BYTES - over);
  }
  yield END;
}

/** Sorts by bytes, so that the order does not depend on the locale. A folder comes before its files. */
export function inOrder(files: readonly TreeFile[]): readonly TreeFile[] {
  return [...files].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

function header({ path, mode, bytes }: TreeFile, seconds: number): Buffer {
  const name = bytes === null ? `${path}/` : path;
  if (Buffer.byteLength(name) > NAME_BYTES) throw new RangeError(`a path is too long for a tar archive: ${name}`);
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(name, 0);
  const octal = (value: number, at: number, length: number): void => void block.write(value.toString(8).padStart(length - 1, '0'), at);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes?.length ?? 0, 124, 12);
  octal(seconds, 136, 12);
  // While the checksum is computed, its own field contains spaces.
  block.fill(' ', CHECKSUM.at, CHECKSUM.at + CHECKSUM.bytes);
  block.write(bytes === null ? '5' : '0', 156);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, CHECKSUM.at);
  return block;
}
