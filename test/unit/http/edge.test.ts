/** The HTTP server (protocol.md §2) answers arbitrary bytes on a real socket, and all errors have the same form. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from 'node:net';
import type { TeePubkey } from '../../../src/domain/ids.ts';
import { authorizedRecord, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';

const MAX_BODY_BYTES = 20_000;

let node: NodeOverHttp;
beforeAll(async () => {
  node = await startNodeOverHttp({
    http: { maxRequestBodyBytes: MAX_BODY_BYTES },
    inEnclave: false,
    lookup: async (wallet) => authorizedRecord(100n, wallet, 'aa' as TeePubkey),
  });
});
afterAll(() => node.close());

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function parseAnswer(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(lines.map((header) => [header.slice(0, header.indexOf(':')).toLowerCase(), header.slice(header.indexOf(':') + 1).trim()]));
  return { status: Number(line.split(' ')[1]), headers, body: rest.join('\r\n\r\n') };
}

/** Writes text to a connection and returns all bytes that arrive until the node closes the connection. */
async function raw(text: string): Promise<RawAnswer> {
  const socket = connect(node.port, '127.0.0.1');
  const closed = Promise.withResolvers<undefined>();
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('utf8')));
  socket.on('error', () => undefined);
  socket.on('close', () => closed.resolve(undefined));
  socket.write(text);
  await closed.promise;
  return parseAnswer(answer);
}

function request(line: string, headers = 'Host: node.test\r\n', body = ''): string {
  return `${line}\r\n${headers}Connection: close\r\n\r\n${body}`;
}

function expectRefusal(answer: RawAnswer, status: number, code: string): void {
  const body = JSON.parse(answer.body) as object;
  expect({ status: answer.status, type: answer.headers['content-type'], body }).toEqual({
    status,
    type: 'application/json; charset=utf-8',
    body: { code, message: expect.any(String) },
  });
  expect(Object.keys(body)).toEqual(['code', 'message']);
  expect(answer.body).not.toMatch(/node_modules|\.ts|\bat /);
}

describe('a request line', () => {
  test.each<[string, number, string]>([
    ['GET http://[ HTTP/1.1', 400, 'bad_request'],
    ['GET //[ HTTP/1.1', 400, 'bad_request'],
    ['GET * HTTP/1.1', 400, 'bad_request'],
    ['GET ftp://node.test/health HTTP/1.1', 400, 'bad_request'],
    ['GET http://node.test/nothing HTTP/1.1', 404, 'not_found'],
    ['GET /%zz HTTP/1.1', 400, 'bad_request'],
    ['GET /%ff HTTP/1.1', 400, 'bad_request'],
    ['GET health HTTP/1.1', 400, 'bad_request'],
    ['GET / HTTP/9.9', 400, 'bad_request'],
    ['NONSENSE / HTTP/1.1', 400, 'bad_request'],
    ['GET /a\u0000b HTTP/1.1', 400, 'bad_request'],
    ['\u0016\u0003\u0001\u0002', 400, 'bad_request'],
    ['GET ///health HTTP/1.1', 404, 'not_found'],
    ['GET /\\\\other.test/health HTTP/1.1', 404, 'not_found'],
    ['GET /Health HTTP/1.1', 404, 'not_found'],
    ['GET /health/ HTTP/1.1', 404, 'not_found'],
    ['GET /constructor HTTP/1.1', 404, 'not_found'],
    ['PATCH /health HTTP/1.1', 405, 'method_not_allowed'],
    ['TRACE /health HTTP/1.1', 405, 'method_not_allowed'],
    ['GET /kms%2Fderive HTTP/1.1', 405, 'method_not_allowed'],
  ])('%j is answered with %i %s', async (line, status, code) => {
    expectRefusal(await raw(request(line)), status, code);
  });

  test.each([
    'GET http://node.test/health HTTP/1.1',
    'GET HTTP://node.test:80/health?x=1 HTTP/1.1',
    'GET http://[::1]:8000/health HTTP/1.1',
  ])('in absolute form is answered according to its path, as HTTP requires: %s', async (line) => {
    const answer = await raw(request(line));
    expect([answer.status, answer.body]).toEqual([200, '{"status":"healthy"}']);
  });

  test('with dots and a query is answered according to the resolved path', async () => {
    const answer = await raw(request('GET /kms/../health?x=%zz HTTP/1.1'));
    expect([answer.status, answer.body]).toEqual([200, '{"status":"healthy"}']);
  });
});

describe('headers', () => {
  test.each<[string, string, string, number, string]>([
    ['without Host', '', '', 400, 'bad_request'],
    ['that are too long', `Host: node.test\r\nx-long: ${'a'.repeat(20_000)}\r\n`, '', 413, 'payload_too_large'],
    ['with two Hosts', 'Host: node.test\r\nHost: node.test\r\n', '', 400, 'bad_request'],
    ['with two lengths', 'Host: node.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n', 'abc', 400, 'bad_request'],
    ['with both a length and chunks', 'Host: node.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n', 400, 'bad_request'],
    ['with a length that is not a number', 'Host: node.test\r\nContent-Length: x\r\n', '', 400, 'bad_request'],
  ])('%s are refused with an error in the usual form', async (_, headers, body, status, code) => {
    expectRefusal(await raw(request('POST /kms/derive HTTP/1.1', headers, body)), status, code);
  });

  test('with an unknown expectation are ignored, and the request is answered', async () => {
    const answer = await raw(request('GET /health HTTP/1.1', 'Host: node.test\r\nExpect: miracles\r\n'));
    expect([answer.status, answer.body]).toEqual([200, '{"status":"healthy"}']);
  });

  test('of an answer forbid caching and do not reveal the server software', async () => {
    const { headers } = await raw(request('GET /status HTTP/1.1'));
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['x-powered-by']));
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers).not.toHaveProperty('server');
    expect(headers).not.toHaveProperty('etag');
    expect(headers['cache-control']).toBe('no-store');
  });
});

describe('a browser', () => {
  test.each(['/kms/derive', '/sync', '/nothing'])('may send a preflight request to %s, even when the node is not ready', async (path) => {
    node.state.view = { ...node.state.view, state: 'ineligible' };
    try {
      const answer = await fetch(`${node.url}${path}`, { method: 'OPTIONS' });
      expect(answer.status).toBe(204);
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(answer.headers.get('access-control-allow-headers')).toContain('x-app-signature');
      expect(answer.headers.get('access-control-expose-headers')).toContain('x-kms-response-signature');
    } finally {
      node.state.view = { ...node.state.view, state: 'ready' };
    }
  });

  test('may also read error answers', async () => {
    const answer = await fetch(`${node.url}/nothing`);
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([404, '*']);
  });
});

describe('HEAD', () => {
  test.each(['/health', '/status', '/nothing'])('for %s has the same status as GET, and no body', async (path) => {
    const [get, head] = await Promise.all(['GET', 'HEAD'].map((method) => raw(request(`${method} ${path} HTTP/1.1`))));
    expect(head).toMatchObject({ status: get!.status, body: '' });
  });
});

describe('a body', () => {
  const wallet = `0x${'0a'.repeat(20)}`;

  function post(path: string, length: string, body: string): string {
    return request(`POST ${path} HTTP/1.1`, `Host: node.test\r\nx-tee-wallet: ${wallet}\r\n${length}\r\n`, body);
  }

  test('whose stated length is too large is not read', async () => {
    // The body never arrives, so an answer proves that the node does not wait for it.
    const answer = await raw(post('/kms/derive', `Content-Length: ${MAX_BODY_BYTES + 1}`, ''));
    expectRefusal(answer, 413, 'payload_too_large');
    expect(answer.headers['connection']).toBe('close');
  });

  test('that turns out to be too large is refused while it arrives', async () => {
    const chunk = 'a'.repeat(1_000);
    const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(21);
    // The last chunk never arrives.
    expectRefusal(await raw(post('/kms/derive', 'Transfer-Encoding: chunked', chunks)), 413, 'payload_too_large');
  });

  test('whose size is exactly the limit is read', async () => {
    const answer = await raw(post('/kms/derive', `Content-Length: ${MAX_BODY_BYTES}`, '{'.repeat(MAX_BODY_BYTES)));
    expectRefusal(answer, 400, 'bad_request');
    expect(answer.body).toContain('not JSON');
  });

  test('is never parsed as the next request', async () => {
    const inner = request('GET /health HTTP/1.1');
    const answer = await raw(`POST /nothing HTTP/1.1\r\nHost: node.test\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`);
    expectRefusal(answer, 404, 'not_found');
  });

  test('of random bytes is refused, and the node continues to answer requests', async () => {
    const garbage = '\u00ff\u0000{'.repeat(5_000);
    const answer = await fetch(`${node.url}/sync`, { method: 'POST', body: garbage });
    expect(answer.status).toBe(403);
    expect((await fetch(`${node.url}/health`)).status).toBe(200);
    expect(node.state.broken).toEqual([]);
  });
});
