/** Whether a stream supports colours or cursor movements. */
import process from 'node:process';

/** Terminals get colours unless the user has set NO_COLOR (https://no-color.org) or TERM=dumb. */
export function takesColours(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
}

/** Whether the stream's cursor can be moved. */
export function takesCursor(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}
