/**
 * Requests into a node's Express app without a network: the request and the response are Node's own, on a socket that only keeps
 * what is written to it.
 *
 * Nothing here may wait for a turn of the event loop that a run does not count: a body is there as a whole before it is read.
 */
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { Express, Request, Response } from 'express';
import type { TransportAnswer, TransportRequest } from '../../domain/ports.ts';

const HEAD_END = '\r\n\r\n';

/**
 * @param address the caller's, as the node sees it
 * @param nowMs the node's time of day, which its answer is dated by: Node would take that of the process
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
    // As a server does between two requests on one socket.
    response.detachSocket(socket as unknown as Socket);
    response.emit('close');
  });
  response.once('close', () => {
    if (!isAnswered) reject(new Error('the connection closed without an answer'));
  });
  // From here on Express lends them its methods.
  app(incoming as Request, response as Response);
  return promise;
}

/** What is read of a socket, and what is written to it. */
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
    return Buffer.concat(this.#chunks);
  }
}

/** As the parser of HTTP leaves it when all has come. */
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

/** @throws Error for an answer in chunks: no answer of a node is */
function bodyOf(response: ServerResponse, written: Buffer): Uint8Array {
  if (response.chunkedEncoding) throw new Error('the answer has no length');
  return written.subarray(written.indexOf(HEAD_END) + HEAD_END.length);
}

function headersOf(response: ServerResponse, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = { date: new Date(nowMs).toUTCString() };
  for (const name of response.getHeaderNames()) headers[name] = String(response.getHeader(name));
  return headers;
}
