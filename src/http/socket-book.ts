/**
 * The connections of a server (protocol.md §10, Bounds): at the cap the one that has been idle longest goes, a socket that
 * pipelines without waiting for answers is closed after its sixteenth, and one whose caller does not take its answer is cut off.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A socket's unanswered requests that are carried out. */
const MAX_PIPELINED = 16;

interface Connection {
  /** In the order in which they came. */
  readonly underWay: Map<ServerResponse, IncomingMessage>;
  /** No further request is carried out. */
  isFull: boolean;
  /** How often in a row its first answer was seen to be made and not taken. */
  stalledLooks: number;
}

export interface SocketBookOptions {
  readonly maxConnections: number;
  /** Looks at an answer that is not taken, before its socket is cut off. */
  readonly maxStalledLooks: number;
}

export class SocketBook {
  readonly #options: SocketBookOptions;
  readonly #connections = new Map<Socket, Connection>();
  /** Without a request under way, idle longest first. */
  readonly #idle = new Set<Socket>();

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
    // Where all are at work, that is the one that came last.
    const [longestIdle] = this.#idle;
    this.#connections.delete(longestIdle!);
    this.#idle.delete(longestIdle!);
    longestIdle!.destroy();
  }

  /** False: the request is not to be carried out, and nothing more is read. @param onDone the answer has gone, or the socket */
  begin(request: IncomingMessage, response: ServerResponse, onDone: () => void): boolean {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection === undefined || connection.isFull) {
      socket.pause();
      return false;
    }
    const { underWay } = connection;
    underWay.set(response, request);
    this.#idle.delete(socket);
    if (underWay.size >= MAX_PIPELINED) {
      connection.isFull = true;
      response.shouldKeepAlive = false;
    }
    response.once('close', () => {
      underWay.delete(response);
      connection.stalledLooks = 0;
      if (underWay.size === 0 && this.#connections.has(socket)) this.#idle.add(socket);
      onDone();
    });
    return true;
  }

  /** To be called at an even pace. */
  closeStalled(): void {
    for (const [socket, connection] of this.#connections) {
      // Answers go in the order of their requests.
      const [first] = connection.underWay.keys();
      if (first?.writableEnded !== true) continue;
      connection.stalledLooks += 1;
      if (connection.stalledLooks > this.#options.maxStalledLooks) socket.destroy();
    }
  }

  /** The request whose body has not come as a whole; only the last one can be that. */
  unreadOf(socket: Socket): IncomingMessage | undefined {
    const last = [...(this.#connections.get(socket)?.underWay.values() ?? [])].at(-1);
    return last?.complete === false ? last : undefined;
  }

  isBusy(socket: Socket): boolean {
    return (this.#connections.get(socket)?.underWay.size ?? 0) > 0;
  }

  sockets(): readonly Socket[] {
    return [...this.#connections.keys()];
  }

  /** Answers that are being made. */
  *responses(): Iterable<ServerResponse> {
    for (const { underWay } of this.#connections.values()) yield* underWay.keys();
  }
}
