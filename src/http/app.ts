/** Express around the dispatch: reads requests, writes replies, and knows nothing of keys. The one file with Express types. */
import express, { type Express, type Request, type Response } from 'express';
import { RefusalError } from '../domain/errors.ts';
import { createDispatch } from './dispatch.ts';
import { replyForError } from './error-table.ts';
import type { Exchange, Reply } from './exchange.ts';
import type { HttpModules, HttpOptions } from './modules.ts';

/** What a browser may send (protocol.md §2: CORS preflight passes). */
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
  // The target may be anything a client can write; what is no path is no route.
  const target = request.url;
  const url = URL.canParse(target, 'http://node') && target.startsWith('/') ? new URL(`http://node${target}`) : null;
  if (url === null) throw new RefusalError('bad_request', 'the request target is not valid');
  let path: string;
  try {
    path = decodeURIComponent(url.pathname);
  } catch {
    throw new RefusalError('bad_request', 'the path is not valid percent-encoding');
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
  return {
    method: request.method,
    path,
    query: url.searchParams,
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

export function createApp(options: HttpOptions, modules: HttpModules): Express {
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
  return app;
}
