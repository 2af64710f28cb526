/**
 * What a browser may send and read. A CORS preflight passes regardless of the node's state (protocol.md §2). `x-tee-wallet` is not allowed,
 * because in development this header identifies a wallet without a proof, and a page from another origin must not act for a wallet.
 */
import type { RequestHandler } from 'express';

/** Headers of every answer. */
const ANSWER_HEADERS = new Map([
  ['access-control-allow-origin', '*'],
  ['access-control-expose-headers', 'x-kms-response-signature, x-nova-next-nonce, retry-after'],
]);
/** Headers that browsers read only in the answer to a preflight. */
const PREFLIGHT_HEADERS = new Map([
  ['access-control-allow-methods', 'GET, POST, PUT, DELETE'],
  ['access-control-allow-headers', 'content-type, x-app-signature, x-app-nonce, x-app-timestamp, x-app-wallet, x-nova-next-nonce, x-nova-sealed-errors'],
  ['access-control-max-age', '600'],
]);

export const cors: RequestHandler = (request, response, next) => {
  response.setHeaders(ANSWER_HEADERS);
  if (request.method === 'OPTIONS') response.setHeaders(PREFLIGHT_HEADERS).writeHead(204).end();
  else next();
};
