/**
 * `GET /metrics` on a separate loopback port (`METRICS_PORT`), without a token: anyone on this machine may read it. A browser on this
 * machine may run a stranger's page from a name that resolves to 127.0.0.1 (DNS rebinding), so the Host header must name this server.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const HOST = '127.0.0.1';
/** Maximum number of open connections. Any further connection is closed immediately. */
const MAX_CONNECTIONS = 16;
/** Maximum size of all headers together. Bytes. */
const MAX_HEADER_BYTES = 8 * 1024;
/** Maximum time for the headers of a request, and for the whole request. Milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

export interface MetricsPage {
  readonly contentType: string;
  render(): Promise<string>;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * @param port the port to listen on; 0 for any free port
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function serveMetrics(port: number, page: MetricsPage): Promise<MetricsServer> {
  const server = createServer({ headersTimeout: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES });
  server.maxConnections = MAX_CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject);
  server.listen(port, HOST, () => resolve(undefined));
  await promise;
  const bound = (server.address() as AddressInfo).port;
  const hosts = [`${HOST}:${bound}`, `localhost:${bound}`];
  server.on('request', (request, response) => void answer(request, response, hosts, page));
  return {
    port: bound,
    async close() {
      const closed = Promise.withResolvers<undefined>();
      server.close(() => closed.resolve(undefined));
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, hosts: readonly string[], page: MetricsPage): Promise<void> {
  response.on('error', () => undefined);
  const [path] = (request.url ?? '').split('?', 1);
  if (!hosts.includes(request.headers.host ?? '')) say(response, 421, 'the Host header does not name this server');
  else if (path !== '/metrics') say(response, 404, 'this server has only /metrics');
  else if (request.method !== 'GET' && request.method !== 'HEAD') say(response, 405, '/metrics accepts only GET and HEAD');
  else {
    try {
      say(response, 200, await page.render(), page.contentType);
    } catch {
      say(response, 500, 'the metrics could not be collected');
    }
  }
}

function say(response: ServerResponse, status: number, text: string, contentType = 'text/plain; charset=utf-8'): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  response.end(text);
}
