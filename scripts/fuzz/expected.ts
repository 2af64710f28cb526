/**
 * The rule of every caller of something foreign: it gives a value, or throws an error that was planned for. A planned error whose cause
 * is a fault of the program hides that fault: it is none.
 */
import { KmsClientError } from '../../src/client/errors.ts';
import { ExpectedError } from '../../src/domain/errors.ts';

const MAX_CAUSES = 8;
/** What the language throws where a program is wrong. */
const FAULTS = [SyntaxError, RangeError, ReferenceError, TypeError] as const;

/** The fault behind an error, null when there is none. What the system and the HTTP client throw has a code, or a cause that has one. */
function faultBehind(error: unknown): Error | null {
  let at: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth += 1) {
    const found: Error = at;
    if (FAULTS.some((fault) => found.constructor === fault) && !('code' in found) && found.cause === undefined && !isOfLibrary(found)) return found;
    at = found.cause;
  }
  return null;
}

/** Thrown by a package: that is how viem refuses what it cannot take apart. */
function isOfLibrary({ stack = '' }: Error): boolean {
  const innermost = stack.split('\n').find((line) => line.includes('file://'));
  return innermost?.includes('/node_modules/') ?? false;
}

/** @throws Error for anything else that is thrown; null when a planned error was */
export async function expected<T>(what: string, work: () => Promise<T> | T): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    const fault = faultBehind(error);
    if (fault === null && (error instanceof ExpectedError || error instanceof KmsClientError)) return null;
    const shown = fault ?? error;
    throw new Error(`${what}: ${shown instanceof Error ? (shown.stack ?? shown.message) : String(shown)}`, { cause: error });
  }
}
