/**
 * One connection to the enclave API, which carries one request at a time. Each request is sent with one write. Without TLS, the answer is
 * read without a stream, into one buffer that all connections share. This is safe because the callback of a read returns before the next
 * read begins. After each read, its bytes are overwritten, because answers contain secrets and plaintexts.
 */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { releaseBytes } from '../domain/large-bytes.ts';
import { AnswerReader, type AnswerLimit } from './answer-reader.ts';

/** Size of the shared buffer: the number of bytes that Node reads at a time. */
const READ_BYTES = 64 * 1024;
const received = Buffer.from(new ArrayBuffer(READ_BYTES));

/** A body with more characters than this is written as bytes, because joining it to the head would copy it. */
const MAX_JOINED_CHARS = 16 * 1024;

export interface OdynAddress {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** A request and its answer. Either `onAnswer` or `onFailure` is called, exactly once, unless the exchange is dropped first. */
export interface Exchange extends AnswerLimit {
  /** The request's head. */
  readonly head: string;
  /** The request's body; empty for a GET. Pieces contain nothing secret and are not overwritten. */
  readonly body: string | readonly Buffer[];
  /** Must not throw. @param body is overwritten after the function has returned */
  onAnswer(status: number, body: Buffer): void;
  onFailure(error: Error): void;
}

/** Called when an exchange has ended, before its `onAnswer` or `onFailure`, and when an idle connection has closed. */
type OnFree = (connection: OdynConnection, isOpen: boolean) => void;

/** The server closed the connection before the answer was complete. `code` is the same as for a connection that was reset. */
class ConnectionClosedError extends Error {
  readonly code = 'ECONNRESET';
}

export class OdynConnection {
  /** When the last exchange ended, in monotonic milliseconds. `OdynConnections` sets it. */
  idleSinceMs = 0;
  readonly #socket: Socket;
  readonly #onFree: OnFree;
  #exchange: Exchange | null = null;
  #reader: AnswerReader | null = null;

  constructor(address: OdynAddress, onFree: OnFree) {
    this.#onFree = onFree;
    this.#socket = address.isTls ? this.#openTls(address) : this.#open(address);
    this.#socket.on('error', (error) => this.#fail(error)).on('end', () => this.#takeEnd()).on('close', () => this.#close());
  }

  /** The exchange under way; null while the connection is idle. */
  get exchange(): Exchange | null {
    return this.#exchange;
  }

  send(exchange: Exchange): void {
    const { head, body } = exchange;
    this.#exchange = exchange;
    this.#reader = new AnswerReader(exchange);
    this.#socket.ref();
    if (typeof body !== 'string' || body.length > MAX_JOINED_CHARS) {
      this.#writeLong(head, body);
      return;
    }
    const request = head + body;
    // Writing an ASCII string as latin1 is faster, because Node need not look for characters of several bytes.
    this.#socket.write(request, Buffer.byteLength(request) === request.length ? 'latin1' : 'utf8');
  }

  #writeLong(head: string, body: string | readonly Buffer[]): void {
    this.#socket.cork();
    this.#socket.write(head, 'latin1');
    if (typeof body === 'string') {
      const bytes = Buffer.from(body);
      // The bytes are wiped after they have been sent, because they may contain a value of an app. If the connection has failed, the socket
      // may still use their memory.
      this.#socket.write(bytes, (error) => {
        bytes.fill(0);
        if (error === undefined || error === null) releaseBytes(bytes);
      });
    } else for (const piece of body) this.#socket.write(piece);
    this.#socket.uncork();
  }

  /** Closes the connection and drops its exchange, if there is one. */
  destroy(): void {
    this.#exchange = null;
    this.#reader?.wipe();
    this.#reader = null;
    this.#socket.destroy();
  }

  #open({ host, port }: OdynAddress): Socket {
    const take = (bytes: number): boolean => {
      this.#take(received.subarray(0, bytes));
      return true;
    };
    return connect({ host, port, noDelay: true, onread: { buffer: received, callback: take } });
  }

  #openTls({ host, port }: OdynAddress): Socket {
    // Node sends the server's name (SNI) only if it is given. An IP address must not be sent (RFC 6066 §3).
    const servername = isIP(host) === 0 ? host : '';
    return connectTls({ host, port, servername, ALPNProtocols: ['http/1.1'] }).setNoDelay(true).on('data', (bytes: Buffer) => this.#take(bytes));
  }

  #take(bytes: Buffer): void {
    try {
      const body = this.#exchange === null ? null : this.#reader!.take(bytes);
      if (this.#exchange === null) this.#close();
      else if (body !== null) this.#answer(body);
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      bytes.fill(0);
    }
  }

  #takeEnd(): void {
    const body = this.#exchange === null ? null : this.#reader!.end();
    if (body === null) this.#close();
    else this.#answer(body);
  }

  #answer(body: Buffer): void {
    const [exchange, reader] = [this.#exchange!, this.#reader!];
    const { status, staysOpen } = reader;
    this.#exchange = null;
    // The reader is dropped here, so that `destroy` cannot wipe `body` if `onFree` calls it before `onAnswer` has run. In addition, an idle
    // connection then keeps no answer in memory.
    this.#reader = null;
    // A server that answers early may not read the rest of the request, so its connection is not used again.
    const isOpen = staysOpen && this.#socket.writableLength === 0;
    if (isOpen) this.#socket.unref();
    else this.#socket.destroy();
    this.#onFree(this, isOpen);
    exchange.onAnswer(status, body);
    body.fill(0);
    reader.wipe();
  }

  #close(): void {
    this.#fail(new ConnectionClosedError('the connection was closed'));
  }

  #fail(error: Error): void {
    const exchange = this.#exchange;
    this.destroy();
    this.#onFree(this, false);
    exchange?.onFailure(error);
  }
}
