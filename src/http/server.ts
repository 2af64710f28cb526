/** The listening socket: limits on connections and waiting, and an end that finishes what is under way. */
import { createServer, STATUS_CODES, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { RefusalError } from '../domain/errors.ts';
import { errorAnswer } from './error-table.ts';
import { LingeringCloses } from './lingering-close.ts';
import type { MessageClasses } from './message-classes.ts';
import { SocketBook } from './socket-book.ts';

/** Connections at once; for one more, the one that has been idle longest is closed. */
const MAX_CONNECTIONS = 2_048;
/** Time for a request's headers, and for all of it; and how often they are looked at. Milliseconds. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CHECK_EVERY_MS = 1_000;
/** How long an idle connection is kept: longer than the 90 s of the callers, so that they close first. Milliseconds. */
const KEEP_ALIVE_MS = 100_000;
/** Bytes of all headers together. */
const MAX_HEADER_BYTES = 16 * 1024;

export interface HttpServer {
  readonly port: number;
  /** Takes no more connections; resolves when all requests are done. */
  drain(): Promise<void>;
  /** Cuts off what is left. */
  destroy(): void;
}

/** What is no HTTP is answered in the form of all errors (protocol.md §2), unless an answer is already on its way there. */
function refuseBadRequest(error: NodeJS.ErrnoException, socket: Duplex & { readonly _httpMessage?: ServerResponse | null }): void {
  if (!socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const refusal =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new RefusalError('payload_too_large', `the headers are longer than ${MAX_HEADER_BYTES} bytes`)
      : new RefusalError('bad_request', 'this is no valid HTTP request');
  const { status, body } = errorAnswer(refusal);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`, () => socket.destroy());
}

export interface ListenOptions {
  /** Default: MAX_CONNECTIONS. */
  readonly maxConnections?: number | undefined;
  /** Default: Node's own. */
  readonly messages?: MessageClasses;
}

/** @throws the error of `listen`, such as EADDRINUSE */
export async function listen(host: string, port: number, listener: RequestListener, { maxConnections = MAX_CONNECTIONS, messages }: ListenOptions = {}): Promise<HttpServer> {
  const book = new SocketBook(maxConnections);
  const lingering = new LingeringCloses();
  let draining = false;
  const closeUnlessBusy = (socket: Socket): void => {
    if (!book.isBusy(socket)) socket.destroySoon();
  };
  const server: Server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Node would answer without a body; the listener answers in the form of all errors.
      requireHostHeader: false,
      ...messages,
    },
    (request, response) => {
      const begun = book.begin(request, response, () => {
        if (draining) closeUnlessBusy(request.socket);
      });
      if (!begun) return;
      if (draining) response.shouldKeepAlive = false;
      listener(request, response);
    },
  );
  // An expectation that nobody knows is ignored (RFC 9110 §10.1.1 leaves the choice).
  server.on('checkExpectation', (request, response) => void server.emit('request', request, response));
  server.on('connection', (socket) => {
    lingering.watch(socket, () => book.unreadOf(socket));
    book.open(socket);
  });
  server.on('clientError', refuseBadRequest);
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(port, host, () => resolve(undefined));
  await promise;
  server.off('error', reject);
  return {
    port: (server.address() as AddressInfo).port,
    async drain() {
      draining = true;
      // A connection that is kept alive after its last answer would keep the server open.
      for (const response of book.responses()) response.shouldKeepAlive = false;
      const closed = Promise.withResolvers<undefined>();
      server.close(() => closed.resolve(undefined));
      // Nor does one wait that has not sent a whole request yet, or none at all.
      for (const socket of book.sockets()) closeUnlessBusy(socket);
      await closed.promise;
    },
    destroy: () => server.closeAllConnections(),
  };
}
