/**
 * An answer reaches its caller (protocol.md §10): where a request's body was left unread, closing the socket at once would reset it,
 * and the reset overtakes the answer. So this side ends first, and what still comes is read and dropped, within limits.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Of one body. Bytes and milliseconds. */
const MAX_DROPPED_BYTES = 16 * 1024 * 1024;
const MAX_LINGER_MS = 5_000;
/** Sockets that linger at once; one more is closed as it is. */
const MAX_LINGERING = 64;

export class LingeringCloses {
  readonly #lingering = new Set<Socket>();

  /** @param unreadOf the request on this socket whose body has not come as a whole; undefined: there is none */
  watch(socket: Socket, unreadOf: () => IncomingMessage | undefined): void {
    const close = socket.destroySoon.bind(socket);
    // What Node calls when the last answer has been written.
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
