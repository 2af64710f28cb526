/** A member that accepts connections and never answers (protocol.md §9.5). It has keys, so that it can be registered. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { freshKeys } from './fresh-keys.ts';

export class BlackHole {
  readonly url: string;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #swallowed = 0;

  private constructor(server: Server) {
    this.#server = server;
    const { wallet, teePubkey } = freshKeys();
    this.wallet = wallet;
    this.teePubkey = teePubkey;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      this.#swallowed += 1;
      this.#sockets.add(socket);
      socket.resume();
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<BlackHole> {
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return new BlackHole(server);
  }

  /** The number of accepted connections. */
  get swallowed(): number {
    return this.#swallowed;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}
