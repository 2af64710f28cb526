/** The last middleware: any error thrown on the way becomes an answer by the error table, and is logged unless it is the caller's fault. */
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
  /** A rule of our own is broken: the process stops. */
  readonly onBrokenInvariant: (error: Error) => void;
}

export function handleErrors({ log, failures, onBrokenInvariant }: ErrorModules): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    // A refusal tells its caller why; what it was caused by, and all else, is for the log.
    const failed = error instanceof RefusalError ? error.cause : error;
    if (failed !== undefined) failures.note(log, `the request ${routeName(request)}`, failed);
    if (error instanceof InvariantError) onBrokenInvariant(error);
    // What cannot be answered any more is Express's to end.
    if (response.headersSent) next(error);
    else sendError(error, request, response);
  };
}

/** As the log may tell it: the pattern of the route, since a path may hold a key, and no method that the caller made up. */
function routeName(request: Request): string {
  const route = request.route as { readonly path: string | RegExp; readonly methods: Readonly<Record<string, boolean>> } | undefined;
  if (route === undefined) return 'of no route';
  const method = request.method.toLowerCase();
  return `${route.methods[method] === true ? request.method : 'OTHER'} ${String(route.path)}`;
}

/** In the form of all errors. */
export function sendError(error: unknown, request: Request, response: Response): void {
  if (response.headersSent || response.destroyed) return;
  const { status, retryAfterSeconds, body } = errorAnswer(error);
  if (retryAfterSeconds !== null) response.setHeader('retry-after', String(retryAfterSeconds));
  // What is left of the body would be taken for the next request.
  if (hasBody(request) && !request.readableEnded) response.setHeader('connection', 'close');
  // For the audit.
  (response.locals as { errorCode?: ErrorCode }).errorCode = body.code;
  sendJson(response, status, body);
}
