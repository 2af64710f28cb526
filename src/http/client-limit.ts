/** Rate limits per client as middlewares (protocol.md §8): counted before anything else is done for a request. */
import type { Request, RequestHandler } from 'express';
import type { Clock } from '../domain/ports.ts';
import { ClientAddresses, isShared, type CountedClient } from './client-address.ts';
import { RateLimit } from './rate-limit.ts';

export interface ClientLimitOptions {
  /** `RATE_LIMIT_PER_MINUTE`. 0: off. */
  readonly rateLimitPerMinute: number;
  /** `NONCE_RATE_LIMIT_PER_MINUTE`. 0: off. */
  readonly nonceRateLimitPerMinute: number;
  /** `TRUSTED_PROXIES`. */
  readonly trustedProxies: readonly string[];
}

export interface ClientLimits {
  /** Counts a request for its client. @throws RefusalError rate_limited */
  readonly count: (request: Request) => void;
  readonly general: RequestHandler;
  /** What everybody may read. Where clients cannot be told apart it is free: to refuse costs as much as to answer. */
  readonly open: RequestHandler;
  /** `GET /nonce` has its own, and is free in the same place. */
  readonly nonce: RequestHandler;
}

export function createClientLimits(options: ClientLimitOptions, modules: { readonly clock: Pick<Clock, 'monotonicMs'> }): ClientLimits {
  const addresses = new ClientAddresses(options.trustedProxies.length > 0);
  const perClient = new RateLimit(options.rateLimitPerMinute, modules);
  const noncesPerClient = new RateLimit(options.nonceRateLimitPerMinute, modules);
  const clientOf = (request: Request): CountedClient => addresses.clientOf(request.ip ?? 'unknown');
  const count = (request: Request): void => {
    const { key, factor } = clientOf(request);
    perClient.take(key, factor);
  };
  const unlessShared = (limit: RateLimit): RequestHandler => (request, _response, next) => {
    const client = clientOf(request);
    if (!isShared(client)) limit.take(client.key);
    next();
  };
  return {
    count,
    general: (request, _response, next) => {
      count(request);
      next();
    },
    open: unlessShared(perClient),
    nonce: unlessShared(noncesPerClient),
  };
}
