/**
 * Combines several middlewares into one Express layer. For each layer, a router matches the path and creates parameters and closures,
 * which costs more than most middlewares of a node do. With `inTurn`, each rule is a separate middleware but needs no separate layer.
 */
import type { NextFunction, RequestHandler } from 'express';

/** Calls the handlers in order, as Express does. If a handler throws or rejects, the error is passed on as the error of the request. */
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
