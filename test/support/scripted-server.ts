/** A real HTTP server whose answers the test chooses. It keeps the requests that it received. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from './limits.ts';

export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Answering = (request: ReceivedRequest, response: ServerResponse) => void | Promise<void>;

/** @param host address to listen on */
export async function scriptedServer(answer: Answering, host = '127.0.0.1') {
  const requests: ReceivedRequest[] = [];
  let open = 0;
  // Idle connections stay open. If the server closed a connection just as a caller reused it, the request would fail.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      const received = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      requests.push(received);
      void answer(received, response);
    });
  });
  server.on('connection', (socket) => {
    open += 1;
    socket.once('close', () => (open -= 1));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const wait = (what: string, reached: () => boolean): Promise<void> =>
    waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (reached() ? null : 'not yet'));
  return {
    url: `http://${host}:${port}`,
    port,
    requests,
    /** Resolves when this many requests have arrived. */
    received: (count: number) => wait(`request number ${count}`, () => requests.length >= count),
    /** Resolves when no connection is open. */
    deserted: () => wait('the end of all connections', () => open === 0),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with JSON. */
export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answering {
  return (_, response) => void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

/** Accepts the request but never answers. */
export const silence: Answering = () => undefined;
