/**
 * Rate limits per client (protocol.md §8). A request is counted before any other work, unless it arrives through the platform's TCP proxy.
 * Clients behind this proxy cannot be told apart until their proof is checked. So a request to `/kms` is counted only after this check,
 * which costs no more than a refusal. The request counts for its wallet if it is signed and the wallet was authorized within the last day.
 * All other requests that are counted behind the proxy share the limit of one client.
 */
import type { Request, RequestHandler } from 'express';
import type { Clock } from '../domain/ports.ts';
import type { AppProof } from '../auth/authenticator.ts';
import { AuthorizedWallets } from './authorized-wallets.ts';
import { ClientAddresses, isShared, SHARED_FACTOR, type CountedClient } from './client-address.ts';
import { RateLimit } from './rate-limit.ts';

export interface ClientLimitOptions {
  /** `RATE_LIMIT_PER_MINUTE`; 0 turns the limit off. */
  readonly rateLimitPerMinute: number;
  /** `NONCE_RATE_LIMIT_PER_MINUTE`; 0 turns the limit off. */
  readonly nonceRateLimitPerMinute: number;
  /** `TRUSTED_PROXIES`. */
  readonly trustedProxies: readonly string[];
}

export interface ClientLimits {
  /** Counts a request for its client. @throws RefusalError rate_limited */
  readonly count: (request: Request) => void;
  readonly general: RequestHandler;
  /** For requests to `/kms` that no route accepts. Counts only where clients cannot be told apart; elsewhere, `open` has counted them. */
  readonly rest: RequestHandler;
  /** Where clients cannot be told apart, counts a request with a valid proof before the chain is read. @throws RefusalError rate_limited */
  readonly countProven: (request: Request, proof: AppProof) => void;
  /** Where clients cannot be told apart, counts a request that has no valid proof. @throws RefusalError rate_limited */
  readonly countUnproven: (request: Request) => void;
  /** Remembers the wallet that the registry has authorized. */
  readonly noteAuthorized: (proof: AppProof) => void;
  /** For public routes. Does not count where clients cannot be told apart, because there a refusal costs as much as the answer. */
  readonly open: RequestHandler;
  /** The separate limit of `GET /nonce`. Like `open`, it does not count where clients cannot be told apart. */
  readonly nonce: RequestHandler;
}

export function createClientLimits(options: ClientLimitOptions, modules: { readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'> }): ClientLimits {
  const addresses = new ClientAddresses(options.trustedProxies.length > 0);
  const perClient = new RateLimit(options.rateLimitPerMinute, modules);
  const perWallet = new RateLimit(options.rateLimitPerMinute, modules);
  const authorized = new AuthorizedWallets(modules);
  const noncesPerClient = new RateLimit(options.nonceRateLimitPerMinute, modules);
  // Without trusted proxies, `request.ip` is the socket's address, but Express parses headers to find it.
  const addressOf = options.trustedProxies.length === 0 ? (request: Request) => request.socket.remoteAddress : (request: Request) => request.ip;
  const clientOf = (request: Request): CountedClient => addresses.clientOf(addressOf(request) ?? 'unknown');
  const count = (request: Request): void => {
    const { key, factor } = clientOf(request);
    perClient.take(key, factor);
  };
  const unlessShared = (limit: RateLimit): RequestHandler => (request, _response, next) => {
    const client = clientOf(request);
    if (!isShared(client)) limit.take(client.key);
    next();
  };
  const countUnproven = (request: Request): void => {
    const { key, factor } = clientOf(request);
    if (factor > 1) perClient.take(key, factor);
  };
  return {
    count,
    rest: (request, _response, next) => {
      countUnproven(request);
      next();
    },
    countProven: (request, { wallet, signature }) => {
      if (signature === null || !authorized.has(wallet)) countUnproven(request);
      else if (isShared(clientOf(request))) perWallet.take(wallet, SHARED_FACTOR);
    },
    countUnproven,
    noteAuthorized: ({ wallet, signature }) => {
      if (signature !== null) authorized.note(wallet);
    },
    general: (request, _response, next) => {
      count(request);
      next();
    },
    open: unlessShared(perClient),
    nonce: unlessShared(noncesPerClient),
  };
}
