/** The last middleware: turns an error in handling a request into an answer (`error-table.ts`), and logs it unless the caller caused it. */
import type { ErrorRequestHandler, Request, Response } from 'express';
import { InvariantError, RefusalError, type ErrorCode } from '../domain/errors.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import type { Log } from '../domain/ports.ts';
import { hasBody } from './body.ts';
import { errorAnswer } from './error-table.ts';
import { sendJson } from './json-answer.ts';

export interface ErrorModules {
  readonly log: Log;
  readonly failures: Pick<FailureLog, 'note'>;
  /** Called when an invariant is broken; the process stops. */
  readonly onBrokenInvariant: (error: Error) => void;
}

export function handleErrors({ log, failures, onBrokenInvariant }: ErrorModules): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    // A refusal is sent to the caller. The cause of a refusal, and any other error, is logged.
    const failed = error instanceof RefusalError ? error.cause : error;
    if (failed !== undefined) failures.note(log, `the request ${routeName(request)}`, failed);
    if (error instanceof InvariantError) onBrokenInvariant(error);
    // After the headers have been sent, an error can no longer be answered, so Express closes the connection.
    if (response.headersSent) next(error);
    else sendError(error, request, response);
  };
}

/** Names the route by its pattern, because the path may contain a key. A method that the route does not accept is shown as `OTHER`. */
function routeName(request: Request): string {
  const route = request.route as { readonly path: string | RegExp; readonly methods: Readonly<Record<string, boolean>> } | undefined;
  if (route === undefined) return 'without a route';
  const method = request.method.toLowerCase();
  return `${route.methods[method] === true ? request.method : 'OTHER'} ${String(route.path)}`;
}

/** Answers in the JSON form that all errors have, if an answer is still possible. */
export function sendError(error: unknown, request: Request, response: Response): void {
  if (response.headersSent || response.destroyed) return;
  const { status, retryAfterSeconds, body } = errorAnswer(error);
  if (retryAfterSeconds !== null) response.setHeader('retry-after', String(retryAfterSeconds));
  // If the connection stayed open, the rest of the body would be read as the next request.
  if (hasBody(request) && !request.readableEnded) response.setHeader('connection', 'close');
  // `audited.ts` reads the code from here.
  (response.locals as { errorCode?: ErrorCode }).errorCode = body.code;
  sendJson(response, status, body);
}
