/** Rate limits per client as middlewares (protocol.md §8): counted before anything else is done for a request. */
import type { Request, RequestHandler } from 'express';
import type { Clock } from '../domain/ports.ts';
import { ClientAddresses } from './client-address.ts';
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
  /** `GET /nonce` has its own. */
  readonly nonce: RequestHandler;
}

export function createClientLimits(options: ClientLimitOptions, modules: { readonly clock: Pick<Clock, 'monotonicMs'> }): ClientLimits {
  const addresses = new ClientAddresses(options.trustedProxies.length > 0);
  const counterOf = (limit: RateLimit) => (request: Request) => {
    const { key, factor } = addresses.clientOf(request.ip ?? 'unknown');
    limit.take(key, factor);
  };
  const count = counterOf(new RateLimit(options.rateLimitPerMinute, modules));
  const countNonce = counterOf(new RateLimit(options.nonceRateLimitPerMinute, modules));
  return {
    count,
    general: (request, _response, next) => {
      count(request);
      next();
    },
    nonce: (request, _response, next) => {
      countNonce(request);
      next();
    },
  };
}
