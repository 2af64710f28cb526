/**
 * An answer in JSON, in one write that says its length. Express's own `json` parses and writes the content type again for each answer
 * and looks for a cache's conditions; no answer of a node may be cached.
 */
import type { ServerResponse } from 'node:http';

/** Above it a text is written as bytes: its head is not copied in front of it. Characters. */
const MAX_JOINED_CHARS = 16 * 1024;

export function sendJson(response: ServerResponse, status: number, body: object): void {
  sendJsonText(response, status, JSON.stringify(body));
}

/** @param text JSON */
export function sendJsonText(response: ServerResponse, status: number, text: string): void {
  const bytes = Buffer.byteLength(text);
  // Text that is ASCII, as all envelopes are, is not searched once more for what is longer than a byte.
  const encoding = bytes === text.length ? 'latin1' : 'utf8';
  response.statusCode = status;
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', bytes);
  if (text.length > MAX_JOINED_CHARS) response.end(Buffer.from(text, encoding));
  else response.end(text, encoding);
}
