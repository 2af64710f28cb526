/** How a stopping node ends its requests, and how it then lets a reader fetch the end of its audit log (docs/audit.md). */
import { within } from '../domain/deadline.ts';
import type { Clock, Log } from '../domain/ports.ts';
import type { HttpServer } from '../http/server.ts';

/** How long a stopping node waits for requests under way to end. Milliseconds. */
export const DRAIN_TIMEOUT_MS = 10_000;
/** How long a stopping node continues its last push after the requests under way have ended or been cut off. Milliseconds. */
export const LAST_PUSH_TIMEOUT_MS = 5_000;
/**
 * Maximum time that an orderly stop takes if the enclave API answers. A reader of the audit log gets the part of this time that the requests
 * and the last push have not used. Milliseconds.
 */
export const NODE_STOP_TIMEOUT_MS = DRAIN_TIMEOUT_MS + LAST_PUSH_TIMEOUT_MS;
/** Maximum time that a stopping node waits for a reader to fetch the end of its audit log. Milliseconds. */
export const LAST_READ_TIMEOUT_MS = 5_000;
const NOT_READ_IN_TIME = 'the end of the audit log was not read in time';

export interface StopModules {
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

/** Stops accepting connections. Resolves when every request has been answered or cut off and has its audit entry. */
export async function endRequests(server: HttpServer, { clock, log }: StopModules): Promise<void> {
  const drained = server.drain();
  try {
    await within(clock, 'the end of requests under way', DRAIN_TIMEOUT_MS, undefined, () => drained);
  } catch {
    log.warn('requests under way were cut off');
    server.destroy();
    await drained;
  }
}

/**
 * Listens again until a reader has the last entry. The last entry is written when all requests have ended. No connection is open then, so the
 * reader must be able to open a new one. Never rejects.
 * @param listenAgain starts a server that answers `GET /audit`
 * @param whenRead resolves when a page with the last entry has been sent
 * @param timeoutMs the time that is left; the wait never exceeds LAST_READ_TIMEOUT_MS. If no time is left, the node does not listen again.
 */
export async function answerLastRead(listenAgain: () => Promise<HttpServer>, whenRead: Promise<void>, timeoutMs: number, { clock, log }: StopModules): Promise<void> {
  if (timeoutMs <= 0) {
    log.warn(NOT_READ_IN_TIME);
    return;
  }
  const started = await listenAgain().catch((error: unknown) => {
    log.warn('the end of the audit log cannot be read', { code: (error as NodeJS.ErrnoException).code ?? 'unknown' });
    return null;
  });
  if (started === null) return;
  try {
    await within(clock, 'the last read of the audit log', Math.min(timeoutMs, LAST_READ_TIMEOUT_MS), undefined, async () => {
      await whenRead;
      await started.drain();
    });
    log.info('the end of the audit log was read');
  } catch {
    log.warn(NOT_READ_IN_TIME);
  }
  const closed = started.drain();
  started.destroy();
  await closed;
}
