/**
 * Requests into a node's Express app without a socket. The library lends Express prototypes of its own for that, for the whole
 * process: a process that injects requests cannot also serve them on a port.
 *
 * Nothing here may wait for a turn of the event loop that a run does not count: a body is there as a whole before it is read.
 */
import { Readable } from 'node:stream';
import type { Express } from 'express';
import inject, { type InjectOptions, type Response } from 'light-my-request';
import type { TransportAnswer, TransportRequest } from '../../domain/ports.ts';

/**
 * @param address the caller's, as the node sees it
 * @param nowMs the node's time of day, which its answer is dated by: the library would take that of the process
 */
export async function injectRequest(app: Express, request: TransportRequest, address: string, nowMs: number): Promise<TransportAnswer> {
  const { pathname, search, host } = new URL(request.url);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const options: InjectOptions = {
    validate: false,
    method: request.method,
    url: pathname + search,
    authority: host,
    remoteAddress: address,
    headers: { ...request.headers },
    ...(request.body === undefined ? {} : { payload: wholeBody(request.body) }),
  };
  // With a callback the library makes no chain of calls and no promises, which cost more than many a request.
  inject(app, options, (error, response) => (response === undefined ? reject(error ?? new Error('there is no answer')) : resolve(response)));
  const { statusCode, headers, rawPayload } = await promise;
  const texts = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
  return { status: statusCode, headers: { ...Object.fromEntries(texts), date: new Date(nowMs).toUTCString() }, body: rawPayload };
}

function wholeBody(text: string): Readable {
  const body = new Readable({ read: () => undefined });
  if (text !== '') body.push(text);
  body.push(null);
  return body;
}
