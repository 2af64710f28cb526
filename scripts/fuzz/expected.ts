/** The rule of every caller of something foreign: it gives a value, or throws an error that was planned for. */
import { KmsClientError } from '../../src/client/errors.ts';
import { ExpectedError } from '../../src/domain/errors.ts';

/** @throws Error for anything else that is thrown; null when a planned error was */
export async function expected<T>(what: string, work: () => Promise<T> | T): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ExpectedError || error instanceof KmsClientError) return null;
    throw new Error(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, { cause: error });
  }
}
