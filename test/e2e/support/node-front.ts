/**
 * A front: an HTTP proxy whose URL is registered instead of the node's URL. It can hold back or refuse the requests of the node's peers.
 * Bodies of `/sync` are sealed, but the front recognizes a request for the secret, because only that request has no HMAC (protocol.md §3).
 * The front treats every other request to `/sync` as a request for a snapshot.
 */
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type SyncKind = 'secret' | 'snapshot';
type Treatment = 'pass' | 'hold' | 'refuse';

export class NodeFront {
  readonly url: string;
  /** The node's port. */
  targetPort = 0;
  readonly #server: Server;
  readonly #treatment: Record<SyncKind, Treatment> = { secret: 'pass', snapshot: 'pass' };
  #held: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<NodeFront> {
    // Idle connections stay open. If the front closed a connection just as a caller reused it, the request would fail.
    const server = createServer({ keepAliveTimeout: 0 });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const front = new NodeFront(server);
    server.on('request', (request, response) => front.#serve(request, response));
    return front;
  }

  hold(kind: SyncKind): void {
    this.#treatment[kind] = 'hold';
  }

  refuse(kind: SyncKind): void {
    this.#treatment[kind] = 'refuse';
  }

  /** Lets all requests through, including those that are held. */
  passAll(): void {
    this.#treatment.secret = 'pass';
    this.#treatment.snapshot = 'pass';
    const held = this.#held;
    this.#held = [];
    for (const go of held) go();
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined);
    const kind: SyncKind = request.headers['x-sync-signature'] === undefined ? 'secret' : 'snapshot';
    const treatment = request.url === '/sync' ? this.#treatment[kind] : 'pass';
    if (treatment === 'pass') this.#forward(request, response);
    else if (treatment === 'hold') this.#held.push(() => this.#forward(request, response));
    else response.writeHead(503, { 'content-type': 'application/json' }).end('{"code":"service_unavailable","message":"refused"}');
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { method, url, headers } = request;
    const onward = httpRequest({ host: '127.0.0.1', port: this.targetPort, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }
}
