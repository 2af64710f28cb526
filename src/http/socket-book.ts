/**
 * The connections of a server (protocol.md §10, Bounds). At the limit, the connection that has been idle longest is closed. A socket with
 * 16 unanswered requests is closed after the answer to the sixteenth. If a caller does not receive a complete answer in time, its socket is
 * destroyed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { LinkedList, type Linked } from '../domain/linked-list.ts';

/** When a socket has this many unanswered requests, none of its further requests is carried out. */
const MAX_PIPELINED = 16;

interface Connection extends Linked<Connection> {
  readonly socket: Socket;
  /** Answers under way, in the order in which their requests arrived. */
  readonly underWay: ServerResponse[];
  /** If true, no further request of this socket is carried out. */
  isFull: boolean;
  /** Number of consecutive checks in which part of the oldest answer was unsent, although the node had finished writing it. */
  stalledLooks: number;
}

export interface SocketBookOptions {
  readonly maxConnections: number;
  /** Maximum number of consecutive checks that may find an unsent part of a complete answer. The next such check destroys the socket. */
  readonly maxStalledLooks: number;
}

export class SocketBook {
  readonly #options: SocketBookOptions;
  readonly #connections = new Map<Socket, Connection>();
  /** Connections without a request under way; the one that has been idle longest is first. */
  readonly #idle = new LinkedList<Connection>();
  /** Number of answers under way, including those whose socket has closed and whose own `close` has not been emitted yet. */
  #answers = 0;
  #allEnded: PromiseWithResolvers<undefined> | null = null;

  constructor(options: SocketBookOptions) {
    this.#options = options;
  }

  open(socket: Socket): void {
    const connection: Connection = { socket, underWay: [], isFull: false, stalledLooks: 0, previous: null, next: null };
    this.#connections.set(socket, connection);
    this.#idle.add(connection);
    socket.once('close', () => this.#forget(connection));
    if (this.#connections.size <= this.#options.maxConnections) return;
    // If all other sockets have requests under way, the new socket is closed.
    const longestIdle = this.#idle.first!;
    this.#forget(longestIdle);
    longestIdle.socket.destroy();
  }

  /** @param onDone called when the answer or the socket has ended. @returns false if the request must not be carried out */
  begin(request: IncomingMessage, response: ServerResponse, onDone: () => void): boolean {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection === undefined || connection.isFull) {
      socket.pause();
      return false;
    }
    const { underWay } = connection;
    underWay.push(response);
    this.#answers += 1;
    this.#idle.remove(connection);
    if (underWay.length >= MAX_PIPELINED) {
      connection.isFull = true;
      response.shouldKeepAlive = false;
    }
    // `close` is emitted once. `once` would cost more than `on`.
    response.on('close', () => {
      underWay.splice(underWay.indexOf(response), 1);
      this.#answers -= 1;
      if (this.#answers === 0) this.#allEnded?.resolve(undefined);
      connection.stalledLooks = 0;
      if (underWay.length === 0 && this.#connections.has(socket)) this.#idle.add(connection);
      onDone();
    });
    return true;
  }

  /** Destroys stalled sockets. Call it at a fixed interval. */
  closeStalled(): void {
    for (const [socket, connection] of this.#connections) {
      // Answers are sent in the order of their requests, so only the first one can be stalled.
      const [first] = connection.underWay;
      if (first?.writableEnded !== true) continue;
      connection.stalledLooks += 1;
      if (connection.stalledLooks > this.#options.maxStalledLooks) socket.destroy();
    }
  }

  /** The request whose body is incomplete; this can only be the last request of a socket. */
  unreadOf(socket: Socket): IncomingMessage | undefined {
    const last = this.#connections.get(socket)?.underWay.at(-1)?.req;
    return last?.complete === false ? last : undefined;
  }

  /** Call it when no request can begin any more. Resolves when every answer has emitted `close` and all listeners have been called. */
  async whenAllEnded(): Promise<void> {
    if (this.#answers === 0) return;
    this.#allEnded ??= Promise.withResolvers<undefined>();
    await this.#allEnded.promise;
  }

  isBusy(socket: Socket): boolean {
    return (this.#connections.get(socket)?.underWay.length ?? 0) > 0;
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection.socket);
    this.#idle.remove(connection);
  }

  sockets(): readonly Socket[] {
    return [...this.#connections.keys()];
  }

  /** The answers to all requests under way. */
  *responses(): Iterable<ServerResponse> {
    for (const { underWay } of this.#connections.values()) yield* underWay;
  }
}
