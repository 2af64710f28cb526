/**
 * Bodies that arrive in pieces of any size, down to one byte. Every reader must return the same bytes as for a body in one piece, and must
 * not hold much more memory than the number of bytes that it has counted. The reader for the enclave must also keep no copy of an answer.
 */
import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { readBoundedBody } from '../../src/domain/bounded-body.ts';
import { AnswerReader } from '../../src/enclave/answer-reader.ts';
import { readJson } from '../../src/http/body.ts';
import { InflightBytes } from '../../src/http/inflight-bytes.ts';
import { collectGarbage } from '../../test/support/garbage.ts';
import { target } from './target.ts';

/**
 * Length of the body in the cases that measure memory. If a reader kept a buffer for each byte, the buffers would take tens of MiB. Bytes.
 */
const LARGE_BYTES = 200_000;
/** A reader may hold this many bytes for each byte of a body. `SLACK_BYTES` is for the other work of the process. */
const MAX_FACTOR = 8;
const SLACK_BYTES = 2 * 1024 * 1024;
/** A byte that occurs only in bodies, never in a head, so a buffer that contains this byte contains a copy of a body. */
const SECRET = 0x07;

const cases = fc.record({
  reader: fc.constantFrom('request', 'peer or RPC', 'enclave'),
  bytes: fc.oneof({ weight: 40, arbitrary: fc.nat(3_000) }, { weight: 8, arbitrary: fc.integer({ min: 15_000, max: 70_000 }) }, { weight: 3, arbitrary: fc.constant(LARGE_BYTES) }),
  /** The lengths of the pieces or, for the enclave, of the chunks; the list is repeated. */
  pieces: fc.oneof(fc.constant([1]), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }), fc.array(fc.constantFrom(1, 2, 16_383, 16_384, 16_385), { minLength: 1, maxLength: 4 })),
  /** For the enclave: the lengths of the reads; the list is repeated. */
  reads: fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 4 }),
  framing: fc.constantFrom('length', 'chunked', 'end of connection'),
});

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

/** Copies a body in pieces. Each piece has its own memory, like pieces that arrive on a socket. */
function* piecesOf(body: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let from = 0, piece = 0; from < body.length; piece += 1) {
    const to = from + lengths[piece % lengths.length]!;
    yield Buffer.from(body.subarray(from, to));
    from = to;
  }
}

function usedBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Measures how much memory a reader holds just before the end of the body. */
class Measure {
  readonly #before: number | null;

  constructor(body: Buffer) {
    this.#before = body.length === LARGE_BYTES ? usedBytes() : null;
  }

  /** @throws Error when the reader holds too much */
  end(): void {
    if (this.#before === null) return;
    const held = usedBytes() - this.#before;
    if (held > MAX_FACTOR * LARGE_BYTES + SLACK_BYTES) throw new Error(`the reader holds ${held} bytes for a body of ${LARGE_BYTES} bytes`);
  }
}

/** Yields the pieces in order, and calls `onLast` after the last piece. */
async function* arriving(body: Buffer, lengths: readonly number[], onLast: () => void): AsyncGenerator<Buffer> {
  yield* piecesOf(body, lengths);
  onLast();
}

async function readRequest({ bytes, pieces }: Case): Promise<void> {
  const text = JSON.stringify('x'.repeat(Math.max(0, bytes - 2)));
  const body = Buffer.from(text);
  const measure = new Measure(body);
  const failed: Error[] = [];
  // The error is kept and thrown later, because a stream that fails looks like a caller that hangs up.
  const onLast = (): void => {
    try {
      measure.end();
    } catch (error) {
      failed.push(error as Error);
    }
  };
  const stream = Readable.from(arriving(body, pieces, onLast), { objectMode: false, highWaterMark: 1 });
  const half = new InflightBytes(1_000_000);
  const lease = half.open('caller');
  const read = await readJson(Object.assign(stream, { headers: {} }) as unknown as IncomingMessage, body.length, lease);
  if (failed[0] !== undefined) throw failed[0];
  if (JSON.stringify(read) !== text) throw new Error('the body of the request has changed');
  if (half.held !== body.length) throw new Error(`${half.held} bytes were counted for a body of ${body.length} bytes`);
}

async function readAnswer({ bytes, pieces }: Case): Promise<void> {
  const body = Buffer.from(Array.from({ length: bytes }, (_, place) => place % 251));
  const measure = new Measure(body);
  const read = await readBoundedBody(arriving(body, pieces, () => measure.end()), body.length, () => new Error('the body is too long'));
  if (!read.equals(body)) throw new Error('the body of the answer has changed');
}

function wireOf(body: Buffer, { framing, pieces }: Case): Buffer {
  const head = `HTTP/1.1 200 OK\r\n${framing === 'length' ? `content-length: ${body.length}\r\n` : framing === 'chunked' ? 'transfer-encoding: chunked\r\n' : ''}\r\n`;
  if (framing !== 'chunked') return Buffer.concat([Buffer.from(head), body]);
  const chunks = [...piecesOf(body, pieces)].flatMap((piece) => [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')]);
}

/** Runs `work`, and returns every buffer that it makes with one of the `Buffer` functions that can copy bytes. */
function copiesOf(work: () => void): readonly Buffer[] {
  const made: Buffer[] = [];
  const names = ['concat', 'allocUnsafeSlow', 'from'] as const;
  const real = names.map((name) => Reflect.get(Buffer, name) as (...given: readonly unknown[]) => Buffer);
  for (const [place, name] of names.entries()) {
    Reflect.set(Buffer, name, (...given: readonly unknown[]) => {
      const buffer = real[place]!.apply(Buffer, [...given]);
      made.push(buffer);
      return buffer;
    });
  }
  try {
    work();
  } finally {
    for (const [place, name] of names.entries()) Reflect.set(Buffer, name, real[place]);
  }
  return made;
}

function readEnclave(given: Case): void {
  const body = Buffer.alloc(given.bytes, SECRET);
  const wire = wireOf(body, given);
  const reads = given.bytes === LARGE_BYTES ? [60_000] : given.reads;
  const received = [...piecesOf(wire, reads)];
  const reader = new AnswerReader({ maxAnswerBytes: body.length, tooLarge: () => new Error('the answer is too long') });
  const measure = new Measure(body);
  const answers: Buffer[] = [];
  const copies = copiesOf(() => {
    for (const [place, each] of received.entries()) {
      const isLast = place === received.length - 1;
      const taken = reader.take(each);
      if (isLast) measure.end();
      const read = taken ?? (isLast ? reader.end() : null);
      if (read !== null) answers.push(read);
      // The answer is compared before the received bytes are overwritten, because the connection also reads the answer before it overwrites those bytes.
      if (read !== null && !read.equals(body)) throw new Error('the answer of the enclave has changed');
      read?.fill(0);
      each.fill(0);
    }
  });
  if (answers.length !== 1) throw new Error(`the enclave's answer was read ${answers.length} times`);
  if (copies.some((copy) => copy.includes(SECRET))) throw new Error('a copy of the answer stays in memory');
}

export const fragments = target({
  name: 'fragments',
  cases,
  batch: 150,
  async start() {
    return {
      async check(drawn) {
        const given: Case = drawn.bytes === LARGE_BYTES ? { ...drawn, pieces: [1], framing: 'chunked' } : drawn;
        if (given.reader === 'request') await readRequest(given);
        else if (given.reader === 'enclave') readEnclave(given);
        else await readAnswer(given);
      },
      close: async () => undefined,
    };
  },
});
