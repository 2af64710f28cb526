/**
 * Admission of requests as middlewares (protocol.md §10, Bounds). They come after the authentication: a request that only names a wallet
 * must not use up that wallet's part.
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

/** After the authentication. @param callerOf who is counted. Refuses with rate_limited, service_unavailable. */
export function admit<Locals extends SealedLocals>({ bytes, underWay }: AdmitModules, callerOf: (locals: Locals) => string): SealedHandler<Locals> {
  return (_request, response, next) => {
    const admission = new Admission(bytes.open(callerOf(response.locals)));
    response.locals.admission = admission;
    response.once('close', () => admission.noteAnswerGone());
    return goOn(admission.enter(underWay, response), next);
  };
}

/** A further place, for requests of which a caller has fewer. Refuses as `admit`. */
export function enterAlso<Locals extends SealedLocals>(places: RequestsUnderWay, isSuch: (locals: Locals) => boolean): SealedHandler<Locals> {
  return (_request, response, next) => {
    if (isSuch(response.locals)) return goOn(response.locals.admission.enter(places, response), next);
    next();
    return undefined;
  };
}

/** Behind all of a route that admits: a request that ended with an error. */
export const noteFailedWork: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  (response.locals as { readonly admission?: Admission }).admission?.noteWorkEnded();
  next(error);
};

function goOn(waiting: Promise<void> | undefined, next: () => void): Promise<void> | undefined {
  if (waiting !== undefined) return waiting.then(next);
  next();
  return undefined;
}
