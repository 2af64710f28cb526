/**
 * Passes requests to a node's Express app without a network. The request and the response are instances of Node's own classes. Their
 * socket only stores what is written to it.
 *
 * `Timeline.settle` waits for a fixed number of turns of the event loop. The code here must not need more turns. Therefore the whole body
 * is present before the app reads it.
 */
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { Express, Request, Response } from 'express';
import type { TransportAnswer, TransportRequest } from '../../domain/ports.ts';

const HEAD_END = '\r\n\r\n';

/**
 * @param address the address of the caller, as the node sees it
 * @param nowMs the node's time of day, for the `date` header; Node.js itself would use the real time
 * @throws Error when the app closes the connection without an answer
 */
export function injectRequest(app: Express, request: TransportRequest, address: string, nowMs: number): Promise<TransportAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<TransportAnswer>();
  const socket = new KeepingSocket(address);
  const incoming = incomingOf(request, socket);
  const response = new ServerResponse(incoming);
  response.sendDate = false;
  response.assignSocket(socket as unknown as Socket);
  let isAnswered = false;
  response.once('finish', () => {
    isAnswered = true;
    resolve({ status: response.statusCode, headers: headersOf(response, nowMs), body: bodyOf(response, socket.written()) });
    // A real server also detaches its socket after each answer.
    response.detachSocket(socket as unknown as Socket);
    response.emit('close');
  });
  response.once('close', () => {
    if (!isAnswered) reject(new Error('the connection closed without an answer'));
  });
  // The app adds Express's own methods to both objects, so the type casts are correct from then on.
  app(incoming as Request, response as Response);
  return promise;
}

/** A socket that has a remote address and stores what is written to it. */
class KeepingSocket extends Writable {
  readonly remoteAddress: string;
  readonly #chunks: Buffer[] = [];

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  written(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
  }
}

/** The request as it is after Node's HTTP parser has read the whole message. */
function incomingOf({ method, url, headers = {}, body }: TransportRequest, socket: KeepingSocket): IncomingMessage {
  const { pathname, search, host } = new URL(url);
  const incoming = new IncomingMessage(socket as unknown as Socket);
  incoming.method = method;
  incoming.url = pathname + search;
  incoming.httpVersion = '1.1';
  incoming.httpVersionMajor = 1;
  incoming.httpVersionMinor = 1;
  setHeader(incoming, 'host', host);
  for (const name in headers) setHeader(incoming, name.toLowerCase(), headers[name]!);
  if (body !== undefined) {
    const bytes = Buffer.from(body, 'utf8');
    setHeader(incoming, 'content-length', String(bytes.length));
    incoming.push(bytes);
  }
  incoming.push(null);
  incoming.complete = true;
  return incoming;
}

function setHeader({ headers, rawHeaders }: IncomingMessage, name: string, value: string): void {
  headers[name] = value;
  rawHeaders.push(name, value);
}

/** @throws Error on a chunked answer, because nodes never send chunked answers */
function bodyOf(response: ServerResponse, written: Buffer): Uint8Array {
  if (response.chunkedEncoding) throw new Error('the answer has no length');
  return written.subarray(written.indexOf(HEAD_END) + HEAD_END.length);
}

function headersOf(response: ServerResponse, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = { date: new Date(nowMs).toUTCString() };
  for (const name of response.getHeaderNames()) headers[name] = String(response.getHeader(name));
  return headers;
}
