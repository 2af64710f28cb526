/**
 * Sends an answer as JSON with its length, in one write. Express's `json` costs more: for each answer it parses and writes the content type
 * again, and checks cache conditions, although no answer of a node may be cached.
 */
import type { ServerResponse } from 'node:http';

/** Node copies a string to join it to the headers. A string longer than this is written as bytes, which avoids the copy. Characters. */
const MAX_JOINED_CHARS = 16 * 1024;

export function sendJson(response: ServerResponse, status: number, body: object): void {
  sendJsonText(response, status, JSON.stringify(body));
}

/** @param text JSON */
export function sendJsonText(response: ServerResponse, status: number, text: string): void {
  const bytes = Buffer.byteLength(text);
  // An ASCII string, such as an envelope, has one byte per character. Node writes latin1 faster, because it does not look for longer
  // characters.
  const encoding = bytes === text.length ? 'latin1' : 'utf8';
  response.statusCode = status;
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', bytes);
  if (text.length > MAX_JOINED_CHARS) response.end(Buffer.from(text, encoding));
  else response.end(text, encoding);
}
