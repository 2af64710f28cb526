/** How small and large chunks of a body are held and joined. */
import { describe, expect, test } from '@jest/globals';
import { readBoundedBody } from '../../../src/domain/bounded-body.ts';
import { JoinedChunks } from '../../../src/domain/joined-chunks.ts';

const KIB = 1024;

function joinedFrom(chunks: readonly Uint8Array[]): JoinedChunks {
  const joined = new JoinedChunks();
  for (const chunk of chunks) joined.add(chunk);
  return joined;
}

/** Chunks of these lengths. Any two of them differ at every position. */
const chunksOf = (...lengths: readonly number[]): Buffer[] => lengths.map((length, nth) => Buffer.from(Array.from({ length }, (_, at) => (at * 7 + nth) % 256)));

describe('joined chunks', () => {
  test('of one byte each are held in a small number of blocks', () => {
    const chunks = Array.from({ length: 100_000 }, (_, nth) => Buffer.of(nth % 251));
    const joined = joinedFrom(chunks);
    // The first 14 blocks double in length, from 2 bytes to 16 KiB. Each further block has 16 KiB.
    expect(joined.pieces).toBeLessThanOrEqual(22);
    expect(joined.bytes).toBe(100_000);
    expect(joined.join().equals(Buffer.concat(chunks))).toBe(true);
  });

  test.each<[string, Buffer[]]>([
    ['no chunk', []],
    ['one small chunk', chunksOf(3)],
    ['an empty chunk first', chunksOf(0, 3)],
    ['chunks that end in the middle of a block', chunksOf(5, 10 * KIB, 10 * KIB, 10 * KIB, 1)],
    ['chunks one byte shorter than a block, as long as one, and one byte longer', chunksOf(16 * KIB - 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 2)],
    ['large and small chunks in turn', chunksOf(64 * KIB, 1, 64 * KIB, 1, 1, 64 * KIB)],
  ])('have all bytes in the right order: %s', (_, chunks) => {
    expect(joinedFrom(chunks).join().equals(Buffer.concat(chunks))).toBe(true);
  });

  test('of at least 16 KiB are not copied', () => {
    const [first, second] = chunksOf(16 * KIB, 16 * KIB) as [Buffer, Buffer];
    const joined = joinedFrom([first, second]);
    second[0] = 255;
    expect(joined.join()[16 * KIB]).toBe(255);
  });

  test('are the chunk itself, not a copy, if there is only one chunk', () => {
    const [only] = chunksOf(3) as [Buffer];
    expect(joinedFrom([only]).join().buffer).toBe(only.buffer);
  });
});

/** The sender uses one buffer for all chunks but the first, so a reader that keeps that buffer instead of a copy gets wrong bytes. */
test('a bounded body keeps a copy of each small chunk, not the chunk itself', async () => {
  const shared = Buffer.of(0);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a');
    for (const letter of 'bcdef') {
      shared.write(letter);
      yield shared;
    }
  }
  expect((await readBoundedBody(body(), 6, () => new Error('too large'))).toString()).toBe('abcdef');
  await expect(readBoundedBody(body(), 5, () => new Error('too large'))).rejects.toThrow('too large');
});
