/**
 * A front: an HTTP proxy whose URL is registered instead of the node's URL. It can cut the link from one member to the node: it drops the
 * requests of that member, which it recognizes by the sender's wallet in the headers (protocol.md §3), and forwards all other requests.
 */
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Wallet } from '../../../src/domain/ids.ts';

export class ReplicationFront {
  readonly url: string;
  /** The node's port. */
  targetPort = 0;
  readonly #server: Server;
  readonly #cut = new Map<string, number>();
  #abandoned = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<ReplicationFront> {
    // Idle connections stay open. If the front closed a connection just as a caller reused it, the request would fail.
    const server = createServer({ keepAliveTimeout: 0 });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const front = new ReplicationFront(server);
    server.on('request', (request, response) => front.#serve(request, response));
    return front;
  }

  /** From now on, no request of this member reaches the node. */
  cut(wallet: Wallet): void {
    this.#cut.set(wallet, 0);
  }

  mend(wallet: Wallet): void {
    this.#cut.delete(wallet);
  }

  /** The number of this member's requests that the front has dropped since the member was cut off. */
  dropped(wallet: Wallet): number {
    return this.#cut.get(wallet) ?? 0;
  }

  /** The number of requests to `/sync` whose sender closed the connection before it got the whole answer. */
  get abandoned(): number {
    return this.#abandoned;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined);
    const sender = request.headers['x-kms-wallet'];
    const dropped = typeof sender === 'string' ? this.#cut.get(sender) : undefined;
    if (dropped === undefined) {
      this.#forward(request, response);
      return;
    }
    this.#cut.set(sender as string, dropped + 1);
    response.destroy();
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { method, url, headers } = request;
    const onward = httpRequest({ host: '127.0.0.1', port: this.targetPort, method, path: url, headers }, (answer) => {
      answer.on('error', () => response.destroy());
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => {
      if (url === '/sync' && !response.writableFinished) this.#abandoned += 1;
      onward.destroy();
    });
    request.pipe(onward);
  }
}
