/** Parsing of HTTP/1.1 answers whose bytes arrive in pieces of any size (RFC 9112). */
import process from 'node:process';
import { describe, expect, jest, test } from '@jest/globals';
import { AnswerReader } from '../../../src/enclave/answer-reader.ts';
import { collectGarbage } from '../../support/garbage.ts';

const MAX_BYTES = 64;

interface Read {
  readonly status: number;
  readonly body: string;
  readonly staysOpen: boolean;
}

const newReader = (maxAnswerBytes = MAX_BYTES): AnswerReader => new AnswerReader({ maxAnswerBytes, tooLarge: () => new Error('too large') });

/**
 * Reads an answer from pieces, and returns null if the answer is incomplete. Each piece is cleared after it has been read, because the
 * reads of a connection share one buffer. The connection closes after the last piece.
 */
function read(pieces: readonly string[]): Read | null {
  const reader = newReader();
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1');
    const body = reader.take(bytes);
    if (body !== null) return { status: reader.status, body: body.toString('latin1'), staysOpen: reader.staysOpen };
    bytes.fill(0);
  }
  const body = reader.end();
  return body === null ? null : { status: reader.status, body: body.toString('latin1'), staysOpen: reader.staysOpen };
}

const lines = (...texts: readonly string[]): string => texts.join('\r\n');

const ANSWERS: readonly [string, string, Read][] = [
  ['a length', lines('HTTP/1.1 200 OK', 'Content-Length: 5', '', 'hello'), { status: 200, body: 'hello', staysOpen: true }],
  ['a length of 0', lines('HTTP/1.1 404 Not Found', 'content-length: 0', '', ''), { status: 404, body: '', staysOpen: true }],
  ['no reason phrase', lines('HTTP/1.1 200', 'content-length:5', '', 'hello'), { status: 200, body: 'hello', staysOpen: true }],
  ['the same length twice', lines('HTTP/1.1 200 OK', 'content-length: 5', 'content-length: 5', '', 'hello'), { status: 200, body: 'hello', staysOpen: true }],
  ['chunks', lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '3', 'hel', '2;name=value', 'lo', '0', '', ''), { status: 200, body: 'hello', staysOpen: true }],
  ['chunks and trailers', lines('HTTP/1.1 200 OK', 'transfer-encoding: Chunked', '', '5', 'hello', '0', 'a: b', '', ''), { status: 200, body: 'hello', staysOpen: true }],
  ['only the last chunk, which is empty', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '0', '', ''), { status: 200, body: '', staysOpen: true }],
  ['neither length nor chunks', lines('HTTP/1.1 200 OK', 'content-type: text/plain', '', 'hello'), { status: 200, body: 'hello', staysOpen: false }],
  ['chunks and a length, which is ignored', lines('HTTP/1.1 200 OK', 'content-length: 3', 'transfer-encoding: chunked', '', '5', 'hello', '0', '', ''), { status: 200, body: 'hello', staysOpen: false }],
  ['a header that closes the connection', lines('HTTP/1.1 200 OK', 'Connection: Close', 'content-length: 5', '', 'hello'), { status: 200, body: 'hello', staysOpen: false }],
  ['HTTP/1.0', lines('HTTP/1.0 200 OK', 'content-length: 5', '', 'hello'), { status: 200, body: 'hello', staysOpen: false }],
  ['HTTP/1.0 and a header that keeps the connection open', lines('HTTP/1.0 200 OK', 'connection: keep-alive', 'content-length: 5', '', 'hello'), { status: 200, body: 'hello', staysOpen: true }],
  ['an interim answer before it', lines('HTTP/1.1 103 Early Hints', 'link: </a>', '', 'HTTP/1.1 200 OK', 'content-length: 5', '', 'hello'), { status: 200, body: 'hello', staysOpen: true }],
  ['status 204', lines('HTTP/1.1 204 No Content', 'content-length: 5', '', ''), { status: 204, body: '', staysOpen: true }],
];

describe.each(ANSWERS)('an answer with %s', (_, text, answer) => {
  test('is read from one piece', () => {
    expect(read([text])).toEqual(answer);
  });

  test('is read from two pieces, split at any byte', () => {
    for (let at = 1; at < text.length; at += 1) expect(read([text.slice(0, at), text.slice(at)])).toEqual(answer);
  });

  test('is read byte by byte', () => {
    expect(read(text.split(''))).toEqual(answer);
  });
});

test('a connection with bytes after an answer is not used again', () => {
  expect(read([lines('HTTP/1.1 200 OK', 'content-length: 5', '', 'hello, more')])).toEqual({ status: 200, body: 'hello', staysOpen: false });
  expect(read([lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '0', '', 'more')])).toEqual({ status: 200, body: '', staysOpen: false });
});

test.each([
  ['in the head', lines('HTTP/1.1 200 OK', 'content-le')],
  ['in the body', lines('HTTP/1.1 200 OK', 'content-length: 5', '', 'hell')],
  ['in a chunk', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '5', 'hell')],
  ['before the last chunk', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '5', 'hello', '')],
  ['before the end of the trailers', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '0', '')],
])('an answer that is cut off %s is not complete', (_, text) => {
  expect(read([text])).toBeNull();
});

test.each([
  ['a different protocol', 'SSH-2.0-secret', 'has no status line'],
  ['the start of another protocol', 'H2', 'has no status line'],
  ['a different version', lines('HTTP/2.0 200 OK', '', ''), 'has no status line'],
  ['a status below 100', lines('HTTP/1.1 099 secret', '', ''), 'has no status line'],
  ['a head that does not end', lines('HTTP/1.1 200 OK', `a: ${'secret'.repeat(4_000)}`), 'has a head that is too long'],
  ['a header without a name', lines('HTTP/1.1 200 OK', ': secret', '', ''), 'has a malformed header'],
  ['a length that is not a number', lines('HTTP/1.1 200 OK', 'content-length: 0x5', '', 'hello'), 'has no valid length'],
  ['two lengths', lines('HTTP/1.1 200 OK', 'content-length: 5', 'content-length: 6', '', 'hello'), 'has no valid length'],
  ['an unknown transfer coding', lines('HTTP/1.1 200 OK', 'transfer-encoding: gzip, chunked', '', ''), 'has an unknown transfer coding'],
  ['a switch to another protocol', lines('HTTP/1.1 101 Switching Protocols', '', ''), 'switches to another protocol'],
  ['a chunk size that is not a number', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '-1', ''), 'has no valid chunk size'],
  ['a chunk that is longer than its size', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '3', 'hello', ''), 'has a chunk of the wrong size'],
  ['a chunk size that does not end', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', `1;${'secret'.repeat(4_000)}`), 'has a line that is too long'],
  ['trailers without an end', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '0', 'a: secret\r\n'.repeat(40)), 'has too many trailers'],
])('%s is refused, and the error does not quote the answer', (_, text, what) => {
  expect(() => read([text])).toThrow(expect.objectContaining({ name: 'NotHttpError', message: `the answer ${what}` }));
});

test.each([
  ['because of its announced length, before it arrives', lines('HTTP/1.1 200 OK', `content-length: ${MAX_BYTES + 1}`, '', '')],
  ['if it arrives in chunks', lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '40', 'x'.repeat(64), '1', 'x', '')],
  ['if it continues until the connection ends', lines('HTTP/1.1 200 OK', '', 'x'.repeat(MAX_BYTES + 1))],
])('a body above the limit is refused: %s', (_, text) => {
  expect(() => read([text])).toThrow('too large');
});

test('a body of exactly the maximum size is accepted', () => {
  const body = 'x'.repeat(MAX_BYTES);
  expect(read([lines('HTTP/1.1 200 OK', '', body)])?.body).toBe(body);
});

test('a body that arrives in many small chunks takes less than ten bytes of memory for each of its bytes', () => {
  const [chunksPerRead, reads] = [1_000, 200];
  const usedBytes = (): number => {
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const reader = newReader(chunksPerRead * reads);
  reader.take(Buffer.from(lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '')));
  const chunks = Buffer.from(lines('1', 'x', '').repeat(chunksPerRead));
  const before = usedBytes();
  for (let read = 0; read < reads; read += 1) reader.take(chunks);
  // One buffer for each chunk would take more than a hundred bytes for each byte of the body.
  expect(usedBytes() - before).toBeLessThan(10 * chunksPerRead * reads);
  expect(reader.take(Buffer.from(lines('0', '', '')))).toEqual(Buffer.alloc(chunksPerRead * reads, 'x'));
});

test.each<[string, readonly string[]]>([
  ['a part of a body', [lines('HTTP/1.1 200 OK', 'content-length: 9'), lines('', '', 'secret')]],
  ['a chunk', [lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '9'), lines('', 'secret')]],
])('the copy that joins two reads is overwritten if it contains %s', (_, pieces) => {
  const concat = jest.spyOn(Buffer, 'concat');
  try {
    const reader = newReader();
    for (const piece of pieces) reader.take(Buffer.from(piece));
    const copies = concat.mock.results.map(({ value }) => (value as Buffer).toString('latin1'));
    expect(copies).toEqual([expect.not.stringContaining('secret')]);
  } finally {
    concat.mockRestore();
  }
});

test('when a long answer is wiped, its memory is returned at once', () => {
  const reader = newReader(1_000_000);
  reader.take(Buffer.from(lines('HTTP/1.1 200 OK', 'content-length: 200000', '', 'a'), 'latin1'));
  const body = reader.take(Buffer.alloc(199_999, 'b'))!;
  expect([body.length, body.toString('latin1', 0, 2)]).toEqual([200_000, 'ab']);
  reader.wipe();
  expect([body.length, body.buffer.byteLength]).toEqual([0, 0]);
});
