/** The lines of a stream do not depend on how the stream is cut into chunks. Each byte of a long line is copied at most once. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter, LongLineError } from '../../../src/cli/line-splitter.ts';

const LIMIT = { maxLineBytes: 1_000_000 };

function chunksOf(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, place) => bytes.subarray(place * size, (place + 1) * size));
}

/** The lines of a text that arrives in chunks, including a last line without a line break, and the number of copied bytes. */
function split(text: string, size: number) {
  let copied = 0;
  const concat = (parts: readonly Uint8Array[]): Buffer => {
    const joined = Buffer.concat(parts);
    copied += joined.length;
    return joined;
  };
  const splitter = new LineSplitter(LIMIT, { concat });
  const lines = chunksOf(Buffer.from(text), size).flatMap((chunk) => splitter.take(chunk).map(String));
  if (splitter.restBytes > 0) lines.push(splitter.end().toString());
  return { lines, copied };
}

describe('lines', () => {
  test.each<[string, readonly string[]]>([
    ['', []],
    ['\n', ['']],
    ['a\nb\n', ['a', 'b']],
    ['a\n\nb', ['a', '', 'b']],
    ['a\r\nb\u2028c', ['a\r', 'b\u2028c']],
    ['é😀\nü', ['é😀', 'ü']],
  ])('of the text %j do not depend on the size of the chunks', (text, lines) => {
    for (let size = 1; size <= 5; size += 1) expect(split(text, size).lines).toEqual(lines);
  });

  test('of any text do not depend on the size of the chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }).filter((line) => !line.includes('\n'))), fc.integer({ min: 1, max: 9 }), (lines, size) => {
        expect(split(lines.map((line) => `${line}\n`).join(''), size).lines).toEqual(lines);
      }),
    );
  });
});

describe('the number of copied bytes', () => {
  test.each([1, 7, 64, 4_096])('is at most the length of a long line that arrives in several chunks (bytes per chunk: %i)', (size) => {
    const { lines, copied } = split('x'.repeat(400_000), size);
    expect([lines.length, lines[0]!.length]).toEqual([1, 400_000]);
    expect(copied).toBeLessThanOrEqual(400_000);
  });

  test('is zero for lines that lie inside one chunk', () => {
    expect(split('short\n'.repeat(1_000), 6_000).copied).toBe(0);
  });
});

test('a line of the maximum length is accepted, and a longer line is refused before its end arrives', () => {
  const splitter = new LineSplitter({ maxLineBytes: 4 });
  expect(splitter.take(Buffer.from('1234\n12')).map(String)).toEqual(['1234']);
  splitter.take(Buffer.from('34'));
  expect(() => splitter.take(Buffer.from('5'))).toThrow(LongLineError);
});
