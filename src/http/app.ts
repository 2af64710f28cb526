/** Express around the dispatch: reads requests, writes replies, and knows nothing of keys. The one file with Express types. */
import type { RequestListener } from 'node:http';
import express, { type Request, type Response } from 'express';
import { RefusalError } from '../domain/errors.ts';
import { createDispatch } from './dispatch.ts';
import { replyForError } from './error-table.ts';
import type { Exchange, Reply } from './exchange.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { decodePercent } from './query.ts';
import { DATA_KEY_PREFIX } from './routes.ts';

/**
 * What a browser may send (protocol.md §2: CORS preflight passes). `x-tee-wallet` is not in it: it names a wallet without any
 * proof, in development, and no page of another origin should speak for one.
 */
const CORS_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE',
  'access-control-allow-headers': 'content-type, x-app-signature, x-app-nonce, x-app-timestamp, x-app-wallet',
  'access-control-expose-headers': 'x-kms-response-signature, retry-after',
  'access-control-max-age': '600',
};

/** Reads a body up to a limit; what is longer is not read on. */
function bodyReader(request: Request): Exchange['readBody'] {
  return async (maxBytes) => {
    const tooLarge = (): RefusalError => new RefusalError('payload_too_large', `the body is longer than ${maxBytes} bytes`);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw tooLarge();
        chunks.push(chunk);
      }
    } catch (error) {
      throw error instanceof RefusalError ? error : new RefusalError('bad_request', 'the body was cut off');
    }
    return Buffer.concat(chunks);
  };
}

function toExchange(request: Request): Exchange {
  if (request.httpVersion === '1.1' && request.headers.host === undefined) throw new RefusalError('bad_request', 'there is no Host header');
  // The target may be anything a client can write; what is no path is no route.
  const target = request.url;
  const url = URL.canParse(target, 'http://node') && target.startsWith('/') ? new URL(`http://node${target}`) : null;
  if (url === null) throw new RefusalError('bad_request', 'the request target is not valid');
  const [rawPath = '', ...rawQuery] = target.split('?');
  const dataKey = rawPath.startsWith(DATA_KEY_PREFIX) ? rawPath.slice(DATA_KEY_PREFIX.length) : null;
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
  return {
    method: request.method,
    path: dataKey === null ? decodePercent(url.pathname, 'path') : rawPath,
    dataKey,
    query: rawQuery.join('?'),
    headers,
    client: request.ip ?? 'unknown',
    readBody: bodyReader(request),
  };
}

function send(request: Request, response: Response, reply: Reply): void {
  if (response.destroyed || response.headersSent) return;
  // An unread body would be taken for the next request.
  const unread = !request.readableEnded && request.method !== 'GET' && request.method !== 'HEAD';
  response.status(reply.status).set({ ...reply.headers, 'cache-control': 'no-store', ...(unread ? { connection: 'close' } : {}) });
  response.type('application/json').end(request.method === 'HEAD' ? undefined : JSON.stringify(reply.body));
}

export function createApp(options: HttpOptions, modules: HttpModules): RequestListener {
  const dispatch = createDispatch(options, modules);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', options.trustedProxies.length === 0 ? false : [...options.trustedProxies]);
  app.use(async (request: Request, response: Response) => {
    response.set(CORS_HEADERS);
    if (request.method === 'OPTIONS') {
      response.status(204).end();
      return;
    }
    let reply: Reply;
    try {
      reply = await dispatch(toExchange(request));
    } catch (error) {
      reply = replyForError(error);
    }
    send(request, response, reply);
  });
  // What Express cannot route (a target that is no URL) it would answer in HTML; here every error has one form.
  const unrouted = new RefusalError('bad_request', 'the request target is not valid');
  return (request, response) =>
    app(request as Request, response as Response, (error?: unknown) =>
      send(request as Request, response as Response, replyForError(error ?? unrouted)),
    );
}
