/**
 * Sends an answer as JSON with its length, in one write. Express's `json` costs more: for each answer it parses and writes the content type
 * again, and checks cache conditions, although no answer of a node may be cached.
 */
import type { ServerResponse } from 'node:http';
import { envelopeJson, envelopePieces, SealedBytes } from '../domain/envelope.ts';
import { releaseBytes } from '../domain/large-bytes.ts';
import type { SealedText } from '../domain/ports.ts';

/** Node copies a string to join it to the headers. A string longer than this is written as bytes, which avoids the copy. Characters. */
const MAX_JOINED_CHARS = 16 * 1024;

export function sendJson(response: ServerResponse, status: number, body: object): void {
  sendJsonText(response, status, JSON.stringify(body));
}

/** @param text JSON */
export function sendJsonText(response: ServerResponse, status: number, text: string): void {
  if (text.length > MAX_JOINED_CHARS) {
    sendJsonPieces(response, status, [Buffer.from(text)]);
    return;
  }
  const bytes = Buffer.byteLength(text);
  setHead(response, status, bytes);
  // An ASCII string, such as an envelope, has one byte per character. Node writes it faster as latin1, because Node then does not have to
  // look for characters of several bytes.
  response.end(text, bytes === text.length ? 'latin1' : 'utf8');
}

/** @param sealed must not be used afterwards */
export function sendEnvelope(response: ServerResponse, status: number, sealed: SealedText): void {
  // `finish` means that the socket has written everything. If the connection fails instead, the socket may still use the bytes.
  if (sealed instanceof SealedBytes) response.once('finish', () => releaseBytes(sealed.hex.digits));
  if (sealed instanceof SealedBytes || sealed.encryptedData.length > MAX_JOINED_CHARS) sendJsonPieces(response, status, envelopePieces(sealed));
  else sendJsonText(response, status, envelopeJson(sealed));
}

function sendJsonPieces(response: ServerResponse, status: number, pieces: readonly Buffer[]): void {
  setHead(response, status, pieces.reduce((sum, { length }) => sum + length, 0));
  // Node sends what is written while the response is corked in one write, together with the headers.
  response.cork();
  for (const piece of pieces) response.write(piece);
  response.end();
}

function setHead(response: ServerResponse, status: number, bytes: number): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', bytes);
}
