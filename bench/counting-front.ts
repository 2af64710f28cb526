/** An HTTP proxy that is registered in place of a node. It counts the requests from the other nodes, and the bytes in both directions. */
import { createServer, request as httpRequest, Agent, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Traffic {
  /** Number of `POST /sync` requests. */
  readonly syncRequests: number;
  /** Number of all other requests, such as `GET /nonce`. */
  readonly otherRequests: number;
  /** Number of HTTP bytes in both directions, including headers. */
  readonly bytes: number;
}

export class CountingFront {
  readonly url: string;
  /** The node's port. */
  targetPort = 0;
  readonly #server: Server;
  readonly #onward = new Agent({ keepAlive: true });
  readonly #sockets = new Set<Socket>();
  #closedBytes = 0;
  #syncRequests = 0;
  #otherRequests = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<CountingFront> {
    const server = createServer({ keepAliveTimeout: 65_000 });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const front = new CountingFront(server);
    server.on('connection', (socket: Socket) => front.#follow(socket));
    server.on('request', (request, response) => front.#forward(request, response));
    return front;
  }

  traffic(): Traffic {
    const open = [...this.#sockets].reduce((sum, socket) => sum + bytesOf(socket), 0);
    return { syncRequests: this.#syncRequests, otherRequests: this.#otherRequests, bytes: this.#closedBytes + open };
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
    this.#onward.destroy();
  }

  #follow(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#closedBytes += bytesOf(socket);
    });
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined);
    if (request.url === '/sync') this.#syncRequests += 1;
    else this.#otherRequests += 1;
    const { method, url, headers } = request;
    const target = { host: '127.0.0.1', port: this.targetPort, method, path: url, headers, agent: this.#onward };
    const onward = httpRequest(target, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }
}

function bytesOf(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten;
}

export function sumOf(fronts: readonly CountingFront[]): Traffic {
  return fronts
    .map((front) => front.traffic())
    .reduce((sum, { syncRequests, otherRequests, bytes }) => ({
      syncRequests: sum.syncRequests + syncRequests,
      otherRequests: sum.otherRequests + otherRequests,
      bytes: sum.bytes + bytes,
    }));
}
