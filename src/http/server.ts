/** The HTTP server: limits on connections, timeouts, and a stop that first finishes the requests under way. */
import { createServer, STATUS_CODES, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { RefusalError } from '../domain/errors.ts';
import type { Clock } from '../domain/ports.ts';
import { errorAnswer } from './error-table.ts';
import { LingeringCloses } from './lingering-close.ts';
import type { MeasureRequest } from './measure-requests.ts';
import type { MessageClasses } from './message-classes.ts';
import { SocketBook } from './socket-book.ts';

export interface ServerLimits {
  /** Maximum number of open connections. When another one opens, the connection that has been idle longest is closed. */
  readonly maxConnections: number;
  /** Maximum time for the headers of a request, and for the whole request. Milliseconds. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long a caller may take to receive a complete answer. The answer occupies memory during this time. Milliseconds. */
  readonly answerTimeoutMs: number;
  /** How often these timeouts are checked. Milliseconds. */
  readonly checkEveryMs: number;
  /** How long an idle connection is kept. Milliseconds. */
  readonly keepAliveMs: number;
}

/**
 * From protocol.md §10: a body must be complete within 30 s. Callers keep idle connections open for up to 90 s. This node keeps them longer,
 * so that the caller closes them first.
 */
export const SERVER_LIMITS: ServerLimits = {
  maxConnections: 2_048,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  answerTimeoutMs: 60_000,
  checkEveryMs: 1_000,
  keepAliveMs: 100_000,
};

/** Maximum size of all headers together. Bytes. */
const MAX_HEADER_BYTES = 16 * 1024;

export interface HttpServer {
  readonly port: number;
  /** Accepts no more connections; resolves when all requests are done, and their answers have emitted `close`. */
  drain(): Promise<void>;
  /** Closes all connections, including those with a request under way. */
  destroy(): void;
}

/** Answers bytes that are not valid HTTP, in the JSON form of all errors (protocol.md §2), unless an answer on this socket has begun. */
function refuseBadRequest(error: NodeJS.ErrnoException, socket: Duplex & { readonly _httpMessage?: ServerResponse | null }): void {
  if (!socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const { status, body } = errorAnswer(refusalFor(error));
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`, () => socket.destroy());
}

function refusalFor({ code }: NodeJS.ErrnoException): RefusalError {
  if (code === 'HPE_HEADER_OVERFLOW') return new RefusalError('payload_too_large', `the headers are longer than ${MAX_HEADER_BYTES} bytes`);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new RefusalError('bad_request', 'the request took too long to arrive');
  return new RefusalError('bad_request', 'this is not a valid HTTP request');
}

export interface ListenOptions {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  /** Overrides for `SERVER_LIMITS`. */
  readonly limits?: Partial<ServerLimits>;
}

export interface ListenModules {
  readonly listener: RequestListener;
  readonly clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  /** Default: the classes of Node. */
  readonly messages?: MessageClasses;
  /** If absent, requests are not measured. */
  readonly measure?: MeasureRequest | undefined;
}

/** @throws the error of `listen`, such as EADDRINUSE */
export async function listen({ host, port, limits }: ListenOptions, { listener, clock, messages, measure }: ListenModules): Promise<HttpServer> {
  const { maxConnections, headersTimeoutMs, requestTimeoutMs, answerTimeoutMs, checkEveryMs, keepAliveMs } = { ...SERVER_LIMITS, ...limits };
  const book = new SocketBook({ maxConnections, maxStalledLooks: Math.ceil(answerTimeoutMs / checkEveryMs) });
  const lingering = new LingeringCloses();
  let draining = false;
  const closeUnlessBusy = (socket: Socket): void => {
    if (!book.isBusy(socket)) socket.destroySoon();
  };
  const server: Server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: checkEveryMs,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      // For a request without a Host header, Node's own refusal has an empty body. The listener refuses it in the JSON form of all errors.
      requireHostHeader: false,
      ...messages,
    },
    (request, response) => {
      let measured = (): void => undefined;
      const begun = book.begin(request, response, () => {
        measured();
        if (draining) closeUnlessBusy(request.socket);
      });
      if (!begun) return;
      if (measure !== undefined) measured = measure(request, response);
      if (draining) response.shouldKeepAlive = false;
      listener(request, response);
    },
  );
  // An unknown `Expect` header is ignored, as RFC 9110 §10.1.1 permits.
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
  const look = (): void => {
    book.closeStalled();
    looking = clock.setTimeout(look, checkEveryMs);
  };
  let looking = clock.setTimeout(look, checkEveryMs);
  server.once('close', () => clock.clearTimeout(looking));
  return {
    port: (server.address() as AddressInfo).port,
    async drain() {
      draining = true;
      // A connection that stays alive after its last answer would keep the server open.
      for (const response of book.responses()) response.shouldKeepAlive = false;
      const closed = Promise.withResolvers<undefined>();
      server.close(() => closed.resolve(undefined));
      // A connection without a complete request head is closed too, because it would also keep the server open.
      for (const socket of book.sockets()) closeUnlessBusy(socket);
      await closed.promise;
      // The server is closed as soon as its sockets are destroyed, but the answers that were cut off emit `close` only after that.
      await book.whenAllEnded();
    },
    destroy: () => server.closeAllConnections(),
  };
}
