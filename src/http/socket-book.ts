/**
 * The connections of a server (protocol.md §10, Bounds). At the limit, the connection that has been idle longest is closed. A socket with
 * 16 unanswered requests is closed after the answer to the sixteenth. If a caller does not receive a complete answer in time, its socket is
 * destroyed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** When a socket has this many unanswered requests, none of its further requests is carried out. */
const MAX_PIPELINED = 16;

interface Connection {
  /** Answers and their requests, in the order in which the requests arrived. */
  readonly underWay: Map<ServerResponse, IncomingMessage>;
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
  /** Sockets without a request under way; the one that has been idle longest is first. */
  readonly #idle = new Set<Socket>();
  /** Number of answers under way, including those whose socket has closed and whose own `close` has not been emitted yet. */
  #answers = 0;
  #allEnded: PromiseWithResolvers<undefined> | null = null;

  constructor(options: SocketBookOptions) {
    this.#options = options;
  }

  open(socket: Socket): void {
    this.#connections.set(socket, { underWay: new Map(), isFull: false, stalledLooks: 0 });
    this.#idle.add(socket);
    socket.once('close', () => {
      this.#connections.delete(socket);
      this.#idle.delete(socket);
    });
    if (this.#connections.size <= this.#options.maxConnections) return;
    // If all other sockets have requests under way, the new socket is closed.
    const [longestIdle] = this.#idle;
    this.#connections.delete(longestIdle!);
    this.#idle.delete(longestIdle!);
    longestIdle!.destroy();
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
    underWay.set(response, request);
    this.#answers += 1;
    this.#idle.delete(socket);
    if (underWay.size >= MAX_PIPELINED) {
      connection.isFull = true;
      response.shouldKeepAlive = false;
    }
    // `close` is emitted once. `once` would cost more than `on`.
    response.on('close', () => {
      underWay.delete(response);
      this.#answers -= 1;
      if (this.#answers === 0) this.#allEnded?.resolve(undefined);
      connection.stalledLooks = 0;
      if (underWay.size === 0 && this.#connections.has(socket)) this.#idle.add(socket);
      onDone();
    });
    return true;
  }

  /** Destroys stalled sockets. Call it at a fixed interval. */
  closeStalled(): void {
    for (const [socket, connection] of this.#connections) {
      // Answers are sent in the order of their requests, so only the first one can be stalled.
      const [first] = connection.underWay.keys();
      if (first?.writableEnded !== true) continue;
      connection.stalledLooks += 1;
      if (connection.stalledLooks > this.#options.maxStalledLooks) socket.destroy();
    }
  }

  /** The request whose body is incomplete; this can only be the last request of a socket. */
  unreadOf(socket: Socket): IncomingMessage | undefined {
    const last = [...(this.#connections.get(socket)?.underWay.values() ?? [])].at(-1);
    return last?.complete === false ? last : undefined;
  }

  /** Call it when no request can begin any more. Resolves when every answer has emitted `close` and all listeners have been called. */
  async whenAllEnded(): Promise<void> {
    if (this.#answers === 0) return;
    this.#allEnded ??= Promise.withResolvers<undefined>();
    await this.#allEnded.promise;
  }

  isBusy(socket: Socket): boolean {
    return (this.#connections.get(socket)?.underWay.size ?? 0) > 0;
  }

  sockets(): readonly Socket[] {
    return [...this.#connections.keys()];
  }

  /** The answers to all requests under way. */
  *responses(): Iterable<ServerResponse> {
    for (const { underWay } of this.#connections.values()) yield* underWay.keys();
  }
}
