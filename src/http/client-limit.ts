/**
 * Rate limits per client (protocol.md §8): counted before anything else is done for a request. Behind the platform's way in clients
 * cannot be told apart before they have proved who they are. There a request to `/kms` is counted after its proof, which costs no more
 * than a refusal: for its wallet when that was authorized within the last day, and else for all strangers together. A header that only
 * names a wallet proves nothing.
 */
import type { Request, RequestHandler } from 'express';
import type { Clock } from '../domain/ports.ts';
import type { AppProof } from '../auth/authenticator.ts';
import { AuthorizedWallets } from './authorized-wallets.ts';
import { ClientAddresses, isShared, SHARED_FACTOR, type CountedClient } from './client-address.ts';
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
  /** The same, but only where clients cannot be told apart: what `open` left. */
  readonly rest: RequestHandler;
  /** After a proof, where clients cannot be told apart; before the chain is asked. @throws RefusalError rate_limited */
  readonly countProven: (request: Request, proof: AppProof) => void;
  /** After a proof that failed. @throws RefusalError rate_limited */
  readonly countUnproven: (request: Request) => void;
  /** The registry says that the caller may ask. */
  readonly noteAuthorized: (proof: AppProof) => void;
  /** What everybody may read. Where clients cannot be told apart it is free: to refuse costs as much as to answer. */
  readonly open: RequestHandler;
  /** `GET /nonce` has its own, and is free in the same place. */
  readonly nonce: RequestHandler;
}

export function createClientLimits(options: ClientLimitOptions, modules: { readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'> }): ClientLimits {
  const addresses = new ClientAddresses(options.trustedProxies.length > 0);
  const perClient = new RateLimit(options.rateLimitPerMinute, modules);
  const perWallet = new RateLimit(options.rateLimitPerMinute, modules);
  const authorized = new AuthorizedWallets(modules);
  const noncesPerClient = new RateLimit(options.nonceRateLimitPerMinute, modules);
  // Express takes headers apart to find the same address where no proxy is trusted.
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
