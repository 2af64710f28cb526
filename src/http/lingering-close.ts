/**
 * An answer reaches its caller (protocol.md §10). When a body was left unread, closing the socket at once would reset the connection, and
 * the reset would overtake the answer. So this node ends its side first, then reads the rest of the body and drops it, within limits.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** The most bytes of a body that are dropped, and the longest time for that. Bytes and milliseconds. */
const MAX_DROPPED_BYTES = 16 * 1024 * 1024;
const MAX_LINGER_MS = 5_000;
/** Sockets that linger at once; one more is closed immediately. */
const MAX_LINGERING = 64;

export class LingeringCloses {
  readonly #lingering = new Set<Socket>();

  /** @param unreadOf gives the request on this socket whose body is incomplete; undefined: there is none */
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
