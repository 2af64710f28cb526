/** The memory that bodies and answers may use together (protocol.md §10, Bounds): how it is counted, and how it limits real requests. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { waitUntil } from '../../../src/dev/waiting.ts';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import { InflightBytes } from '../../../src/http/inflight-bytes.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { authorizedRecord, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';

const FULL = expect.objectContaining({ code: 'service_unavailable', retryAfterSeconds: 1 });

describe('one half of the memory for bodies and answers (here 1,000 bytes)', () => {
  test('admits one request of any size while it is empty, and no other request until that request has ended', () => {
    const half = new InflightBytes(1_000);
    const large = half.open('a');
    large.add(900);
    large.add(900);
    expect(() => half.open('b').expect(1)).toThrow(FULL);
    large.release();
    expect(half.held).toBe(0);
    half.open('b').add(5_000);
  });

  test('lets its first request grow further even after other requests have arrived', () => {
    const half = new InflightBytes(1_000);
    const large = half.open('a');
    large.add(600);
    half.open('b').add(100);
    large.add(900);
    expect(() => half.open('b').expect(1)).toThrow(FULL);
    large.release();
    expect(() => half.open('a').add(300)).toThrow(FULL);
  });

  test('allows a caller to use at most a quarter of it while other callers use some of it', () => {
    const half = new InflightBytes(1_000);
    half.open('other').add(1);
    const [one, two] = [half.open('a'), half.open('a')];
    one.add(200);
    two.add(50);
    expect(() => two.add(1)).toThrow(FULL);
    one.release();
    two.add(200);
    expect(half.held).toBe(251);
  });

  test('is never exceeded by all callers together', () => {
    const half = new InflightBytes(1_000);
    for (const caller of ['a', 'b', 'c', 'd']) half.open(caller).add(240);
    expect(() => half.open('e').add(41)).toThrow(FULL);
    half.open('e').add(40);
  });

  test('reserves room for an answer that is being made, and then counts the real size of the answer', () => {
    const half = new InflightBytes(1_000);
    half.open('other').add(1);
    const [one, two] = [half.open('a'), half.open('a')];
    one.add(10);
    one.reserve(200);
    expect(() => two.reserve(100)).toThrow(FULL);
    one.countAnswer(100, true);
    expect(half.held).toBe(111);
    two.reserve(100);
    // The work is already done, so the answer is not refused, although it does not fit.
    two.countAnswer(900, false);
    expect(() => two.countAnswer(900, true)).toThrow(FULL);
    for (const lease of [one, two]) lease.release();
    expect(half.held).toBe(1);
  });

  test('counts the bytes that have arrived, not the announced bytes', () => {
    const half = new InflightBytes(1_000);
    half.open('a').expect(1_000_000);
    expect(half.held).toBe(0);
  });
});

describe('bodies', () => {
  let node: NodeOverHttp;
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await node.close();
  });

  const walletOf = (caller: string): string => `0x${caller.repeat(40)}`;

  function put(caller: string, announced: number, sent: number) {
    const socket = connect(node.port, '127.0.0.1');
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.write(`PUT /kms/data HTTP/1.1\r\nHost: node.test\r\nx-tee-wallet: ${walletOf(caller)}\r\nContent-Length: ${announced}\r\n\r\n`);
    socket.write('x'.repeat(sent));
    return { socket, text: () => text };
  }

  /** The status and Retry-After of the answer to a request that is sent with its whole body. */
  async function answerTo(caller: string, bytes: number): Promise<string> {
    const { text } = put(caller, bytes, bytes);
    await waitUntil({ what: 'the answer', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (text().includes('\r\n\r\n') ? null : 'none yet'));
    return `${text().slice(9, 12)} ${/retry-after: (\d+)/i.exec(text())?.[1] ?? ''}`;
  }

  const becomes = (wanted: string, caller: string, bytes: number): Promise<void> =>
    waitUntil({ what: wanted, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => {
      const answer = await answerTo(caller, bytes);
      return answer === wanted ? null : `it is ${answer}`;
    });

  test('that stay incomplete leave memory for small bodies, but another large body is refused until the connection of the incomplete body has closed', async () => {
    node = await startNodeOverHttp({ inEnclave: false, lookup: async (of) => authorizedRecord(100n, of, 'aa' as TeePubkey), http: { maxInflightBytes: 2 * 1024 * 1024 } });
    // This request is the only one in its half of 1 MiB, so it may use more than a quarter.
    const held = put('a', 900_000, 600_000);
    await becomes('503 1', 'b', 500_000);
    // The body is read, and then it is refused because of its content.
    expect(await answerTo('b', 200_000)).toBe('400 ');
    // A caller that already uses a quarter of the half gets no more memory.
    expect(await answerTo('a', 1_000)).toBe('503 1');
    held.socket.destroy();
    await becomes('400 ', 'b', 500_000);
  });

  test('use no memory if they are announced but never arrive', async () => {
    node = await startNodeOverHttp({ inEnclave: false, lookup: async (of) => authorizedRecord(100n, of, 'aa' as TeePubkey), http: { maxInflightBytes: 2 * 1024 * 1024 } });
    for (const caller of ['a', 'c', 'd', 'e']) put(caller, 900_000, 10);
    expect(await answerTo('b', 200_000)).toBe('400 ');
  });
});
