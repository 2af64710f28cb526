/** The listening socket: limits on connections and waiting, and an end that finishes what is under way. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Connections at once; one more is closed. */
const MAX_CONNECTIONS = 2_048;
/** Time for a request's headers, and for all of it. Milliseconds. */
const HEADERS_LIMIT_MS = 10_000;
const REQUEST_LIMIT_MS = 120_000;
/** How long an idle connection is kept; longer than what clients in use keep it, so that they close first. Milliseconds. */
const KEEP_ALIVE_MS = 65_000;
/** Bytes of all headers together. */
const MAX_HEADER_BYTES = 16 * 1024;

export interface HttpServer {
  readonly port: number;
  /** Takes no more connections; resolves when all requests are done. */
  drain(): Promise<void>;
  /** Cuts off what is left. */
  destroy(): void;
}

/** @throws the error of `listen`, such as EADDRINUSE */
export async function listen(host: string, port: number, listener: RequestListener): Promise<HttpServer> {
  const server: Server = createServer(
    {
      headersTimeout: HEADERS_LIMIT_MS,
      requestTimeout: REQUEST_LIMIT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    listener,
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(port, host, () => resolve(undefined));
  await promise;
  server.off('error', reject);
  return {
    port: (server.address() as AddressInfo).port,
    async drain() {
      const closed = Promise.withResolvers<undefined>();
      server.close(() => closed.resolve(undefined));
      server.closeIdleConnections();
      await closed.promise;
    },
    destroy: () => server.closeAllConnections(),
  };
}
