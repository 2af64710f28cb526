/**
 * Several middlewares as one layer of Express. Each layer that a router tries costs a request a match, its parameters and closures, more
 * than most middlewares of a node do themselves; each middleware stays one rule in one function.
 */
import type { NextFunction, RequestHandler } from 'express';

/** Calls one after the other as Express does: what is thrown, or rejected, is an error of the request. */
export function inTurn(...handlers: readonly RequestHandler[]): RequestHandler {
  return (request, response, next) => {
    let at = 0;
    const goOn: NextFunction = (error?: unknown) => {
      const handler = handlers[at];
      if (error !== undefined || handler === undefined) {
        next(error);
        return;
      }
      at += 1;
      try {
        const ending = handler(request, response, goOn);
        if (ending instanceof Promise) ending.catch(next);
      } catch (thrown) {
        next(thrown);
      }
    };
    goOn();
  };
}
