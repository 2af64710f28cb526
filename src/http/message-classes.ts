/**
 * Classes of requests and answers that already have the prototypes of Express. Express sets these prototypes on the objects of every
 * request. When an object gets a different prototype, V8 discards what it has optimized for that object, which costs more than all
 * middlewares of a node together. Setting the prototype that an object already has costs nothing.
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
