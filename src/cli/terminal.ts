/** What may be written to a stream besides plain text. */
import process from 'node:process';

/** Colours are for terminals, and for those who have not said no (https://no-color.org). */
export function takesColours(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
}

/** The cursor can be moved. */
export function takesCursor(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}
