/**
 * An enclave API that closes or resets its connections before, during and after answers, and that gets more calls than the client has
 * connections. Each call must return its own answer, or fail because its connection was closed. It must never return the answer to another
 * call or a changed answer.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import fc from 'fast-check';
import { DependencyError } from '../../src/domain/errors.ts';
import type { TeePubkey } from '../../src/domain/ids.ts';
import { OdynClient } from '../../src/enclave/odyn-client.ts';
import { systemClock } from '../../src/system/system.ts';
import { target } from './target.ts';

const KEY = 'ab'.repeat(120) as TeePubkey;
/** The client has 32 connections. With more calls than that, some calls wait for a connection that has carried other calls. */
const CALLS = { minLength: 34, maxLength: 44 };
/** A request that is too long to be sent with one write. Characters. */
const LONG_CHARS = 4_000_000;

/** What happens to the connection before, in the middle of or after an answer. */
type End = 'stays open' | 'closes before' | 'resets before' | 'closes within' | 'resets within' | 'closes after' | 'resets after' | 'ends with the connection';
const ENDS: readonly End[] = ['closes before', 'resets before', 'closes within', 'resets within', 'closes after', 'resets after', 'ends with the connection'];

/** How the API treats one request. */
const treatment = fc.record({
  end: fc.oneof({ weight: 4, arbitrary: fc.constant<End>('stays open') }, fc.constantFrom(...ENDS)),
  /** How many turns of the event loop the API waits before the answer and between the pieces of the answer. */
  turns: fc.nat(3),
  /** The answer is sent in pieces of these lengths; the list is repeated. If the list is empty, the answer is sent in one piece. */
  pieces: fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 3 }),
  isChunked: fc.boolean(),
});

const cases = fc.record({
  calls: fc.array(fc.constantFrom('sign', 'decrypt', 'decrypt', 'random', 'encrypt'), CALLS),
  /** The number of long requests before these calls. */
  long: fc.constantFrom(0, 0, 0, 0, 1),
  /** One for each request, in the order of arrival; the list is repeated. */
  treatments: fc.array(treatment, { minLength: 1, maxLength: 8 }),
  /** Whether the API answers 413 to a long request without reading the whole request, and closes the connection later. */
  refusesLong: fc.boolean(),
});

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;
type Treatment = typeof treatment extends fc.Arbitrary<infer T> ? T : never;

async function wait(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The path of a request, and its total length in bytes; null while its head is incomplete. */
function headOf(text: string): { readonly path: string; readonly bytes: number } | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const head = text.slice(0, end);
  return { path: head.split(' ')[1]!, bytes: end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0) };
}

/** An enclave API that behaves as one case describes. */
class Api {
  /** The random bytes that the API has returned to calls, in hex. */
  readonly given = new Set<string>();
  /** Number of times that the API has closed a connection in a way that may have lost a request. */
  closed = 0;
  readonly #case: Case;
  #requests = 0;

  constructor(given: Case) {
    this.#case = given;
  }

  serve(socket: Socket): void {
    let reads: string[] = [];
    let head: { readonly path: string; readonly bytes: number } | null = null;
    let bytes = 0;
    let isRefused = false;
    socket.setNoDelay(true).setEncoding('latin1').on('error', () => undefined).on('data', (text: string) => {
      if (isRefused) return;
      reads.push(text);
      bytes += text.length;
      head ??= headOf(reads.join(''));
      if (head === null) return;
      if (this.#case.refusesLong && head.bytes > LONG_CHARS) {
        isRefused = true;
        socket.pause();
        socket.write('HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n', () => void wait(20).then(() => socket.destroy()));
        return;
      }
      if (bytes < head.bytes) return;
      const [, body = ''] = reads.join('').split('\r\n\r\n');
      const { path } = head;
      [reads, head, bytes] = [[], null, 0];
      void this.#answer(socket, this.#bodyFor(path, body));
    });
  }

  #bodyFor(path: string, body: string): string {
    this.#requests += 1;
    if (path === '/v1/random') {
      const bytes = this.#requests.toString(16).padStart(64, '7');
      this.given.add(bytes);
      return JSON.stringify({ random_bytes: `0x${bytes}` });
    }
    const asked = JSON.parse(body) as Record<string, string>;
    if (path === '/v1/eth/sign') return JSON.stringify({ signature: signatureOf(asked['message']!), address: `0x${'ab'.repeat(20)}`, attestation: null });
    if (path === '/v1/encryption/decrypt') return JSON.stringify({ plaintext: `text ${asked['encrypted_data']}` });
    return JSON.stringify({ encrypted_data: Buffer.from(asked['plaintext']!.slice(0, 20)).toString('hex'), enclave_public_key: KEY, nonce: 'ab'.repeat(12) });
  }

  async #answer(socket: Socket, body: string): Promise<void> {
    const { end, turns, pieces, isChunked }: Treatment = this.#case.treatments[this.#requests % this.#case.treatments.length]!;
    await wait(turns);
    if (end !== 'stays open' && end !== 'ends with the connection') this.closed += 1;
    const toEnd = end === 'ends with the connection';
    const half = body.slice(0, body.length / 2);
    const chunks = [half, body.slice(half.length)].map((each) => `${each.length.toString(16)}\r\n${each}\r\n`).join('');
    const whole = `HTTP/1.1 200 OK\r\n${toEnd ? '\r\n' : isChunked ? 'transfer-encoding: chunked\r\n\r\n' : `content-length: ${body.length}\r\n\r\n`}${isChunked && !toEnd ? `${chunks}0\r\n\r\n` : body}`;
    const sent = end.endsWith('before') ? '' : end.endsWith('within') ? whole.slice(0, -10) : whole;
    for (let from = 0, piece = 0; from < sent.length; piece += 1) {
      const to = pieces.length === 0 ? sent.length : from + pieces[piece % pieces.length]!;
      socket.write(sent.slice(from, to), 'latin1');
      from = to;
      if (from < sent.length) await wait(turns);
    }
    if (end.startsWith('resets')) socket.resetAndDestroy();
    else if (end !== 'stays open') socket.end();
  }
}

const signatureOf = (message: string): string => `0x${Buffer.from(message).toString('hex').padStart(128, '0')}01`;

/** Each answer contains a part of its request. @throws Error when a call got the answer to a different request, or a changed answer */
function checkOwn(kind: string, nth: number, value: unknown, api: Api): void {
  const wanted: Readonly<Record<string, unknown>> = { sign: signatureOf(`message ${nth}`), decrypt: `text ${hexOf(nth)}`, encrypt: Buffer.from(`plaintext ${nth} `).toString('hex').slice(0, 40) };
  if (kind === 'random') {
    // The API returns different random bytes to each call.
    if (!api.given.delete(Buffer.from(value as Uint8Array).toString('hex'))) throw new Error(`call ${nth} got random bytes that the API did not return to it: ${String(value)}`);
    return;
  }
  const got = typeof value === 'string' ? value : (value as { readonly encryptedData: string }).encryptedData;
  const own = wanted[kind.replace('long ', '')] as string;
  if (!got.startsWith(own)) throw new Error(`${kind} ${nth} got ${got.slice(0, 150)} instead of ${own}`);
}

const hexOf = (nth: number): string => nth.toString(16).padStart(40, '0');

export const enclaveConnections = target({
  name: 'enclave-connections',
  cases,
  batch: 40,
  async start() {
    let api: Api | null = null;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      api?.serve(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return {
      async check(given) {
        const own = new Api(given);
        api = own;
        const client = new OdynClient({ baseUrl }, { clock: systemClock });
        const calls: Readonly<Record<string, (nth: number) => Promise<unknown>>> = {
          sign: (nth) => client.sign(`message ${nth}`),
          decrypt: (nth) => client.decrypt({ nonce: 'ab'.repeat(12), senderPubkey: KEY, encryptedData: hexOf(nth) }),
          random: () => client.random(),
          encrypt: (nth) => client.encrypt(`plaintext ${nth} `.padEnd(30), KEY),
          'long encrypt': (nth) => client.encrypt(`plaintext ${nth} `.padEnd(LONG_CHARS), KEY),
        };
        let lost = 0;
        await Promise.all(
          [...Array.from({ length: given.long }, () => 'long encrypt'), ...given.calls].map(async (kind, nth) => {
            try {
              checkOwn(kind, nth, await calls[kind]!(nth), own);
            } catch (error) {
              if (!(error instanceof DependencyError)) throw error;
              if (error.failure === 'refused' && kind === 'long encrypt' && given.refusesLong) return;
              if (error.failure !== 'unreachable') throw new Error(`${kind} ${nth} failed: ${error.message}`, { cause: error });
              lost += 1;
            }
          }),
        ).finally(() => client.close());
        // The client sends a call again if its connection was closed, but only once, and never a `decrypt`. So every lost call accounts
        // for at least one closed connection.
        if (lost > own.closed) throw new Error(`${lost} calls were lost, but the API closed only ${own.closed} connections`);
      },
      async close() {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  },
});
