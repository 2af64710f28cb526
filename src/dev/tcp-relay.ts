/** A relay from one loopback port to another. While it is shut, it has no open connections, and closes each new one immediately. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class TcpRelay {
  readonly url: string;
  /** The port to which connections are relayed. */
  targetPort = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<TcpRelay> {
    const server = createServer();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const relay = new TcpRelay(server);
    server.on('connection', (socket) => relay.#lead(socket));
    return relay;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Closes every open connection. Until `open` is called, each new connection is closed immediately. */
  shut(): void {
    this.#isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  open(): void {
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.shut();
    await promise;
  }

  #lead(socket: Socket): void {
    socket.on('error', () => undefined);
    if (!this.#isOpen) {
      socket.destroy();
      return;
    }
    const onward = connect({ host: '127.0.0.1', port: this.targetPort });
    onward.on('error', () => undefined);
    for (const [one, other] of [[socket, onward], [onward, socket]] as const) {
      this.#sockets.add(one);
      one.pipe(other);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
