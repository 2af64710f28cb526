/** Output of commands: bytes in a chosen format, or an object as one line of JSON. */
import { plainJson } from '../plain-text.ts';

export const BYTE_FORMATS = ['hex', 'base64', 'raw'] as const;
export type ByteFormat = (typeof BYTE_FORMATS)[number];

/** Returns a line of text; for the format `raw`, returns only the bytes. */
export function formatBytes(bytes: Uint8Array, format: ByteFormat): Buffer {
  return format === 'raw' ? Buffer.from(bytes) : Buffer.from(`${Buffer.from(bytes).toString(format)}\n`);
}

export interface JsonOption {
  readonly json?: boolean;
}

export function jsonLine(object: object): string {
  return `${plainJson(object)}\n`;
}
