/**
 * Binds an answer to its request (protocol.md §10, Bound to the request). A proxy that ends TLS outside the enclave could swap two answers,
 * or turn a write into a delete. So a request may state its nonce and operation inside the envelope, and the inner answer repeats the
 * nonce. An app that gets a 404 for its key makes a new secret, so a proxy could do harm with a forged 404. An app may therefore ask the
 * node to seal its 404s, because a proxy cannot forge a sealed answer.
 */
import type { Request } from 'express';
import type { AuthenticatedApp } from '../auth/authenticator.ts';
import { RefusalError } from '../domain/errors.ts';
import type { InnerAnswer, SealedHandler, SealedLocals } from './sealed-exchange.ts';

export type AppLocals = SealedLocals<AuthenticatedApp>;

/** The values of `op` in an inner body. */
export type Operation = 'derive' | 'put' | 'delete';

type AppRequest = Request<Record<string, string>>;

/** Refuses an inner body that states a different nonce or operation (bad_request). Runs after the envelope has been opened. */
export function requireBound(operation: Operation): SealedHandler<AppLocals> {
  return (_request, { locals }, next) => {
    const { nonce, op } = locals.inner;
    if (nonce !== undefined && nonce !== locals.caller.nonce) throw new RefusalError('bad_request', 'the nonce in the inner body is not the nonce in x-app-nonce');
    if (op !== undefined && op !== operation) throw new RefusalError('bad_request', `the op in the inner body is not ${operation}`);
    next();
  };
}

/** Makes the inner answer, which repeats the nonce of a signed request. */
export function answerBound(answer: (locals: AppLocals, request: AppRequest) => object | Promise<object>) {
  return async (locals: AppLocals, request: AppRequest): Promise<InnerAnswer> => {
    const { nonce } = locals.caller;
    const bond = nonce === null ? {} : { nonce };
    try {
      return { status: 200, body: { ...(await answer(locals, request)), ...bond } };
    } catch (error) {
      const isAbsent = error instanceof RefusalError && error.code === 'not_found';
      if (!isAbsent || request.headers['x-nova-sealed-errors'] !== '1') throw error;
      return { status: 404, body: { code: error.code, message: error.message, ...bond } };
    }
  };
}
