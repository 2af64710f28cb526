/**
 * Admission of requests as middlewares (protocol.md §10, Bounds). They run after authentication, because a request that only claims to come
 * from a wallet must not use up that wallet's share.
 */
import type { ErrorRequestHandler } from 'express';
import { Admission } from './admission.ts';
import type { InflightBytes } from './inflight-bytes.ts';
import type { RequestsUnderWay } from './requests-under-way.ts';
import type { SealedHandler, SealedLocals } from './sealed-exchange.ts';

export interface AdmitModules {
  readonly bytes: InflightBytes;
  readonly underWay: RequestsUnderWay;
}

/**
 * Takes a place among the caller's requests, or waits for one. Runs after authentication. Refuses with rate_limited or service_unavailable.
 * @param callerOf returns the caller whose limits apply
 */
export function admit<Locals extends SealedLocals>({ bytes, underWay }: AdmitModules, callerOf: (locals: Locals) => string): SealedHandler<Locals> {
  return (_request, response, next) => {
    const admission = new Admission(bytes.open(callerOf(response.locals)));
    response.locals.admission = admission;
    // Authentication may wait for the registry. If the caller hung up in the meantime, `close` has already been emitted.
    if (response.closed) admission.noteAnswerGone();
    else response.on('close', () => admission.noteAnswerGone());
    return goOn(admission.enter(underWay, response), next);
  };
}

/**
 * Adds a stricter limit for one kind of request: a request of that kind must also get a place under this limit. Refuses like `admit`.
 * @param isSuch whether a request is of that kind
 */
export function enterAlso<Locals extends SealedLocals>(places: RequestsUnderWay, isSuch: (locals: Locals) => boolean): SealedHandler<Locals> {
  return (_request, response, next) => {
    if (isSuch(response.locals)) return goOn(response.locals.admission.enter(places, response), next);
    next();
    return undefined;
  };
}

/** The last handler of a route that uses `admit`. When a request has failed, it tells the request's admission that the work has ended. */
export const noteFailedWork: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  (response.locals as { readonly admission?: Admission }).admission?.noteWorkEnded();
  next(error);
};

function goOn(waiting: Promise<void> | undefined, next: () => void): Promise<void> | undefined {
  if (waiting !== undefined) return waiting.then(next);
  next();
  return undefined;
}
