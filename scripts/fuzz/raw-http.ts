/**
 * Sends bytes that are almost valid requests over a real socket. Every answer must be listed in protocol.md §2, the connection must end,
 * and the node must answer the next request.
 */
import { connect } from 'node:net';
import fc from 'fast-check';
import { ROUTE_METHODS, type RouteParameter } from '../../src/domain/routes.ts';
import { checkAnswer, checkNode, startNodeUnderTest } from './node-under-test.ts';
import { anyBytes, tears, torn } from './hostile.ts';
import { target } from './target.ts';

/** How long the test waits for the end of a connection. In this test, every answer takes less time. Milliseconds. */
const CLOSE_TIMEOUT_MS = 20_000;
/** A value for each route parameter. */
const PARAMETERS: Readonly<Record<RouteParameter, string>> = { key: 'a%2Fb', check: 'membership' };
const ROUTE_PATHS = Object.keys(ROUTE_METHODS).map((route) => route.replace(/<(\w+)>/, (_, name: RouteParameter) => PARAMETERS[name]));
const PATHS = [...ROUTE_PATHS, '/audit?after=1', '/kms/data?key=a', '*', 'http://x/status', '/kms/../status', '//', '/%'];
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE', 'QUERY', 'get', ''];
const HEADERS = ['host', 'content-type', 'content-encoding', 'content-length', 'transfer-encoding', 'expect', 'connection', 'upgrade', 'x-app-signature', 'x-app-nonce', 'x-app-timestamp', 'x-app-wallet', 'x-tee-wallet', 'x-kms-signature', 'x-kms-nonce', 'x-kms-timestamp', 'x-sync-signature', 'x-forwarded-for', 'origin', 'x-nova-next-nonce', 'accept'];
const VALUES = ['', '0', '-1', '1e3', '99999999999999999999', 'chunked', 'gzip, chunked', '100-continue', 'keep-alive', 'close', 'application/json', 'text/html', `0x${'ab'.repeat(65)}`, 'AAAAAAAAAAAAAAAAAAAAAA==', '1790000000', `0x${'ab'.repeat(20)}`, '*'];

const request = fc
  .record({
    method: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...METHODS) }, fc.string({ maxLength: 12 })),
    path: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...PATHS) }, fc.webPath(), fc.string({ unit: 'binary', maxLength: 40 })),
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0', '2.0', '0.9', 'x'),
    headers: fc.array(fc.tuple(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...HEADERS) }, fc.string({ maxLength: 20 })), fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...VALUES) }, fc.string({ unit: 'binary', maxLength: 60 }))), { maxLength: 8 }),
    body: fc.oneof(fc.constant(Buffer.alloc(0)), anyBytes, fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)))),
    framing: fc.constantFrom('none', 'length', 'length', 'chunked', 'short', 'long', 'both'),
  })
  .map(({ method, path, version, headers, body, framing }) => {
    const length = framing === 'short' ? body.length - 1 : framing === 'long' ? body.length + 3 : body.length;
    const framed = [...(['length', 'short', 'long', 'both'].includes(framing) ? [`content-length: ${length}`] : []), ...(['chunked', 'both'].includes(framing) ? ['transfer-encoding: chunked'] : [])];
    const head = [`${method} ${path} HTTP/${version}`, 'host: node.test', ...framed, ...headers.map(([name, value]) => `${name}: ${value}`)].join('\r\n');
    const sent = ['chunked', 'both'].includes(framing) ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]) : body;
    return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), sent]);
  });

const cases = fc.record({
  requests: fc.oneof({ weight: 4, arbitrary: fc.array(request, { minLength: 1, maxLength: 3 }) }, anyBytes.map((bytes) => [bytes])),
  tears: fc.oneof(fc.constant([]), tears),
  pieces: fc.array(fc.nat(400), { maxLength: 3 }),
});

/**
 * Sends these pieces one after another, ends the sending side, and returns the answer. @throws Error when the other side leaves the
 * connection open
 */
async function exchange(port: number, pieces: readonly Uint8Array[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // If the node closes the connection while data is still arriving, the connection is reset. That is not a fault.
  socket.on('error', () => undefined);
  const closed = Promise.withResolvers<boolean>();
  socket.once('close', () => closed.resolve(true));
  socket.setTimeout(CLOSE_TIMEOUT_MS, () => closed.resolve(false));
  for (const piece of pieces) {
    if (socket.writable) await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
  }
  socket.end();
  const ended = await closed.promise;
  socket.destroy();
  if (!ended) throw new Error('the connection was left open');
  return Buffer.concat(chunks).toString('latin1');
}

function checkAnswers(text: string): void {
  let rest = text;
  while (rest !== '') {
    const head = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(rest);
    if (head === null) throw new Error(`the answer is not HTTP: ${JSON.stringify(rest.slice(0, 200))}`);
    rest = rest.slice(head[0].length);
    // Without a length, the body ends when the connection ends.
    const length = Number(/^content-length: (\d+)\r$/im.exec(head[0])?.[1] ?? rest.length);
    const status = Number(head[1]);
    if (status < 200) continue;
    const chunked = /^transfer-encoding: chunked\r$/im.test(head[0]);
    // Answers to HEAD have a length but no body: after their headers comes the next answer or the end.
    const isBodyless = rest.startsWith('HTTP/1.1 ') || rest === '';
    const body = isBodyless ? '' : rest.slice(0, length);
    checkAnswer(status, chunked || body === '' || !/content-type: application\/json/i.test(head[0]) ? '' : Buffer.from(body, 'latin1').toString('utf8'));
    // Only long lists are chunked. The bytes after them are not checked.
    rest = chunked ? '' : rest.slice(body.length);
  }
}

export const rawHttp = target({
  name: 'raw-http',
  cases,
  batch: 300,
  async start() {
    const node = await startNodeUnderTest();
    return {
      async check({ requests, tears: list, pieces }) {
        const bytes = torn(Buffer.concat(requests), list);
        const cuts = [0, ...pieces.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        checkAnswers(await exchange(node.port, cuts.slice(1).map((end, place) => bytes.subarray(cuts[place], end))));
        checkNode(node);
        const alive = await fetch(`${node.url}/health`);
        if (alive.status !== 200 || (await alive.text()) !== '{"status":"healthy"}') throw new Error('the node is no longer healthy');
      },
      close: () => node.close(),
    };
  },
});
