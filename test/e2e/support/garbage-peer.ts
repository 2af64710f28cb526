/** A member that answers every request with 200 and random bytes. It has keys, so that it can be registered. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { freshKeys } from './fresh-keys.ts';

export class GarbagePeer {
  readonly url: string;
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey;
  readonly #server: Server;

  private constructor(server: Server) {
    const { wallet, teePubkey } = freshKeys();
    this.wallet = wallet;
    this.teePubkey = teePubkey;
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<GarbagePeer> {
    const server = createServer({ keepAliveTimeout: 0 }, (_, response) => response.writeHead(200).end(randomBytes(512)));
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    return new GarbagePeer(server);
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }
}
