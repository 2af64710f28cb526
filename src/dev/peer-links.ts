/**
 * The connections between nodes. Each node has its own HTTP proxy here (`HTTP_PROXY`), so both ends of every request are known, and
 * the link between two nodes can be cut while all other links keep working.
 */
import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** One string that stands for a pair of nodes, regardless of the order of their names. */
function pairOf(one: string, other: string): string {
  return [one, other].sort().join(' ');
}

interface Way {
  readonly pair: string;
  readonly host: string;
  readonly port: number;
}

export class PeerLinks {
  readonly #servers = new Map<string, Server>();
  readonly #names = new Map<number, string>();
  readonly #cut = new Set<string>();
  /** Open connections, by pair of nodes. */
  readonly #open = new Map<string, Set<{ destroy(): unknown }>>();
  readonly #onward = new Agent({ keepAlive: true });

  static async start(names: readonly string[]): Promise<PeerLinks> {
    const links = new PeerLinks();
    await Promise.all(names.map((name) => links.#listen(name)));
    return links;
  }

  /** URL of a node's proxy. @throws Error when there is no such node */
  urlOf(name: string): string {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`there is no node ${name}`);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Records the port on which a node listens. */
  setPort(name: string, port: number): void {
    this.#names.set(port, name);
  }

  /** Closes and refuses all connections between two nodes, in both directions. */
  cut(one: string, other: string): void {
    const pair = pairOf(one, other);
    this.#cut.add(pair);
    for (const connection of this.#open.get(pair) ?? []) connection.destroy();
  }

  heal(one: string, other: string): void {
    this.#cut.delete(pairOf(one, other));
  }

  isCut(one: string, other: string): boolean {
    return this.#cut.has(pairOf(one, other));
  }

  async close(): Promise<void> {
    const closing = [...this.#servers.values()].map((server) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      server.close(() => resolve(undefined));
      server.closeAllConnections();
      return promise;
    });
    for (const connections of this.#open.values()) for (const connection of connections) connection.destroy();
    this.#onward.destroy();
    await Promise.all(closing);
  }

  async #listen(name: string): Promise<void> {
    const server = createServer();
    server.on('request', (request, response) => this.#forward(name, request, response));
    server.on('connect', (request, socket, head) => this.#tunnel(name, request, socket, head));
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    this.#servers.set(name, server);
  }

  /** Forwards a request for an absolute URL. */
  #forward(caller: string, request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined);
    const url = URL.parse(request.url ?? '');
    const way = url === null ? null : this.#wayOf(caller, url);
    if (url === null || way === null) {
      response.destroy();
      return;
    }
    const { host, port } = way;
    const onward = httpRequest({ host, port, method: request.method, path: `${url.pathname}${url.search}`, headers: request.headers, agent: this.#onward }, (answer) => {
      answer.on('error', () => response.destroy());
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    this.#note(way, response);
    request.pipe(onward);
  }

  #tunnel(caller: string, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined);
    const url = URL.parse(`http://${request.url ?? ''}`);
    const way = url === null ? null : this.#wayOf(caller, url);
    if (way === null) {
      socket.destroy();
      return;
    }
    const onward = connect({ host: way.host, port: way.port }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward);
      onward.pipe(socket);
    });
    onward.on('error', () => undefined);
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    this.#note(way, socket);
  }

  /** The two ends of a request, and where to forward it; null when the link between them is cut. */
  #wayOf(caller: string, url: URL): Way | null {
    const port = url.port === '' ? 80 : Number(url.port);
    const pair = pairOf(caller, this.#names.get(port) ?? '');
    return this.#cut.has(pair) ? null : { pair, host: url.hostname, port };
  }

  #note({ pair }: Way, connection: Duplex | ServerResponse): void {
    const open = this.#open.get(pair) ?? new Set();
    this.#open.set(pair, open);
    open.add(connection);
    connection.on('close', () => void open.delete(connection));
  }
}
