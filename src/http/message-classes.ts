/**
 * Requests and answers that are made with the prototypes that Express gives them. It sets them on objects that exist, request by
 * request, after which the engine knows their shape no longer: that costs more than all middlewares of a node together. Setting the
 * prototype that an object has already costs nothing.
 */
import { IncomingMessage, ServerResponse, type ServerOptions } from 'node:http';
import type { Express } from 'express';

export type MessageClasses = Required<Pick<ServerOptions, 'IncomingMessage' | 'ServerResponse'>>;

export function messageClassesOf(app: Express): MessageClasses {
  return {
    IncomingMessage: withPrototype(IncomingMessage, app.request),
    ServerResponse: withPrototype(ServerResponse, app.response),
  };
}

function withPrototype<Base extends typeof IncomingMessage | typeof ServerResponse>(base: Base, prototype: object): Base {
  const made = function (...values: unknown[]): object {
    return Reflect.construct(base, values, made) as object;
  };
  made.prototype = prototype;
  return made as unknown as Base;
}
