/**
 * Makes sure that an answer reaches its caller (protocol.md §10). If a body was left unread, closing the socket immediately would reset the
 * connection, and the caller could get the reset before it reads the answer. So this node first ends its own side of the connection. Then
 * it reads the rest of the body and drops it, within limits.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Limits for reading and dropping the rest of a body: a number of bytes, and a time in milliseconds. */
const MAX_DROPPED_BYTES = 16 * 1024 * 1024;
const MAX_LINGER_MS = 5_000;
/** Maximum number of sockets that linger at the same time; a further socket is closed immediately. */
const MAX_LINGERING = 64;

export class LingeringCloses {
  readonly #lingering = new Set<Socket>();

  /** @param unreadOf returns the request on this socket whose body is incomplete; undefined if there is none */
  watch(socket: Socket, unreadOf: () => IncomingMessage | undefined): void {
    const close = socket.destroySoon.bind(socket);
    // Node calls this when the last answer has been written.
    socket.destroySoon = () => {
      const request = unreadOf();
      if (request === undefined || socket.destroyed || this.#lingering.size >= MAX_LINGERING) close();
      else this.#linger(socket, request);
    };
  }

  #linger(socket: Socket, request: IncomingMessage): void {
    if (this.#lingering.has(socket)) return;
    this.#lingering.add(socket);
    const end = (): void => void socket.destroy();
    const limit = AbortSignal.timeout(MAX_LINGER_MS);
    limit.addEventListener('abort', end, { once: true });
    socket.once('close', () => {
      limit.removeEventListener('abort', end);
      this.#lingering.delete(socket);
    });
    let dropped = 0;
    request.on('data', (chunk: Buffer) => {
      dropped += chunk.length;
      if (dropped > MAX_DROPPED_BYTES) end();
    });
    request.once('end', end).once('error', end);
    socket.end();
    request.resume();
  }
}
