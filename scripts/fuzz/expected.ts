/**
 * The rule for code that calls an external service: it must return a value or throw an expected error. An expected error must not hide a bug
 * in the program, so an error whose cause is a bug is not accepted.
 */
import { KmsClientError } from '../../src/client/errors.ts';
import { ExpectedError } from '../../src/domain/errors.ts';

const MAX_CAUSES = 8;
/** Errors that JavaScript itself throws because a program has a bug. */
const FAULTS = [SyntaxError, RangeError, ReferenceError, TypeError] as const;

/**
 * The bug that caused an error; null when a bug is not the cause. Errors of the system and the HTTP client are not bugs. They have a code,
 * or a cause with a code.
 */
function faultBehind(error: unknown): Error | null {
  let at: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth += 1) {
    const found: Error = at;
    if (FAULTS.some((fault) => found.constructor === fault) && !('code' in found) && found.cause === undefined && !isOfLibrary(found)) return found;
    at = found.cause;
  }
  return null;
}

/** Whether a package threw the error. viem throws such errors for values that it cannot parse. */
function isOfLibrary({ stack = '' }: Error): boolean {
  const innermost = stack.split('\n').find((line) => line.includes('file://'));
  return innermost?.includes('/node_modules/') ?? false;
}

/** @returns null when an expected error was thrown @throws Error when any other error was thrown */
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
