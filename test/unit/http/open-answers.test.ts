/**
 * The answers of the open routes count towards `MAX_INFLIGHT_BYTES` (protocol.md §10, Bounds). The sockets are real. An unread answer
 * waits in the node. In these tests, it waits because an earlier answer on the same connection has not been sealed yet.
 */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { waitUntil } from '../../../src/dev/waiting.ts';
import type { Wallet } from '../../../src/domain/ids.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { authorizedRecord, memberOf, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { ProvenCaller } from '../../support/proven-caller.ts';

const KIB = 1024;

/** The bytes that all open routes may use together. Half of `MAX_INFLIGHT_BYTES` is for `/sync`. This is a quarter of the other half. */
const SHARE = 16 * KIB;

const app = new ProvenCaller('app');
const MEMBERS = Array.from({ length: 10 }, (_, number) => memberOf(`0x${String(number + 1).padStart(40, '0')}` as Wallet, app.teePubkey));

let node: NodeOverHttp;
/** Releases the first answer of each test, which waits to be sealed. Null if no answer is waiting yet. */
let letGo: (() => void) | null;
const sockets: Socket[] = [];

beforeEach(async () => {
  letGo = null;
  node = await startNodeOverHttp({
    members: MEMBERS,
    lookup: async (wallet) => authorizedRecord(100n, wallet, app.teePubkey),
    http: { maxInflightBytes: 8 * SHARE },
    enclave: (real) => ({
      ...real,
      encrypt: async (plaintext, receiver) => {
        if (letGo === null) await new Promise<void>((resolve) => (letGo = resolve));
        return real.encrypt(plaintext, receiver);
      },
    }),
  });
});

afterEach(async () => {
  letGo?.();
  for (const socket of sockets.splice(0)) socket.destroy();
  await node.close();
});

/** Sends a request whose answer waits to be sealed, and then `count` requests for `path` on the same connection. */
async function waitingBehindAnAnswer(path: string, count: number): Promise<{ readonly received: () => string }> {
  const { hostname, port } = new URL(node.url);
  const proof = await app.proof(node, 'x-app');
  const headers = Object.entries({ host: hostname, ...proof }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write(`GET /kms/data HTTP/1.1\r\n${headers}\r\n`);
  await until('the answer being sealed', () => letGo !== null);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`.repeat(count));
  return { received: () => text };
}

const until = (what: string, reached: () => boolean): Promise<void> =>
  waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (reached() ? null : 'not yet'));

async function statusOf(path: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await fetch(`${node.url}${path}`, { headers });
  return [answer.status, answer.headers.get('retry-after') ?? ''].join(' ').trim();
}

test.each(['/status', '/nodes'])('%s is refused while unread answers use all bytes of the open routes, and is answered after those answers have been read', async (path) => {
  const bytes = (await (await fetch(`${node.url}${path}`)).text()).length;
  const fit = Math.floor(SHARE / bytes);
  expect(fit).toBeGreaterThan(0);
  // The node closes a connection after its sixteenth unanswered request.
  expect(fit).toBeLessThan(15);
  const { received } = await waitingBehindAnAnswer(path, fit);
  await waitUntil({ what: `a refusal of ${path}`, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => {
    const status = await statusOf(path);
    return status === '503 1' ? null : status;
  });
  // Apps may still use the other bytes of this half.
  expect(await statusOf('/kms/data', await app.proof(node, 'x-app'))).toBe('200');
  letGo!();
  await until('the unread answers', () => received().split('HTTP/1.1 200').length === fit + 2);
  expect(await statusOf(path)).toBe('200');
});

test('the bytes of an answer are released when its caller hangs up', async () => {
  await waitingBehindAnAnswer('/nodes', 14);
  await waitUntil({ what: 'a refusal', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => {
    const status = await statusOf('/nodes');
    return status === '503 1' ? null : status;
  });
  sockets[0]!.destroy();
  await waitUntil({ what: 'an answer', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => {
    const status = await statusOf('/nodes');
    return status === '200' ? null : status;
  });
});
