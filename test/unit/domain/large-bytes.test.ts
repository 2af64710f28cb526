/** Returning the memory of large buffers (domain/large-bytes.ts) without touching memory that others use. */
import { expect, test } from '@jest/globals';
import { releaseBytes } from '../../../src/domain/large-bytes.ts';

const BLOCK_BYTES = 64 * 1024;

test.each<[string, () => Uint8Array]>([
  ['allocated', () => Buffer.allocUnsafeSlow(BLOCK_BYTES)],
  ['made of a long string', () => Buffer.from('x'.repeat(BLOCK_BYTES))],
  ['that is a copy', () => Buffer.from(Buffer.alloc(BLOCK_BYTES, 'x'))],
  ['that is a typed array', () => new Uint8Array(BLOCK_BYTES)],
])('a large buffer %s is empty after its release', (_, make) => {
  const bytes = make();
  releaseBytes(bytes);
  expect([bytes.length, bytes.buffer.byteLength]).toEqual([0, 0]);
});

test('a buffer of any size that shares its memory stays as it is', () => {
  // Node puts short strings into one block. Its size has changed between versions of Node.
  for (let size = 1; size <= 4 * BLOCK_BYTES; size = Math.ceil(size * 1.1)) {
    const bytes = Buffer.from('x'.repeat(size));
    if (bytes.buffer.byteLength === size) continue;
    releaseBytes(bytes);
    expect(bytes.toString()).toBe('x'.repeat(size));
  }
  const half = new Uint8Array(2 * BLOCK_BYTES).subarray(BLOCK_BYTES);
  releaseBytes(half);
  expect(half).toHaveLength(BLOCK_BYTES);
});
