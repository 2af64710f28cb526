/** Implements the port `Chain` with viem, for the machine's jobs. */
import type { Hash32 } from '../domain/ids.ts';
import type { ChainView, ClaimReport, HashReading } from '../domain/membership.ts';
import type { Chain, Clock, Enclave, Log } from '../domain/ports.ts';
import { ClaimSender, type ClaimSenderOptions } from './claim-sender.ts';
import type { Rpc } from './rpc.ts';
import { ViewReader, type ViewReaderOptions } from './view-reader.ts';

export type ChainClientOptions = ViewReaderOptions & ClaimSenderOptions;

export interface ChainClientModules {
  readonly rpc: Rpc;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly enclave: Enclave;
  readonly log: Log;
}

export class ChainClient implements Chain {
  readonly #views: ViewReader;
  readonly #claims: ClaimSender;

  constructor(options: ChainClientOptions, modules: ChainClientModules) {
    this.#views = new ViewReader(options, modules);
    this.#claims = new ClaimSender(options, { ...modules, leastHead: () => this.#views.highestBlock, chainId: () => this.#views.chainId });
  }

  readView(signal: AbortSignal): Promise<ChainView> {
    return this.#views.readView(signal);
  }

  readHash(block: bigint, signal: AbortSignal): Promise<HashReading> {
    return this.#views.readHash(block, signal);
  }

  readHeadHash(signal: AbortSignal): Promise<Hash32> {
    return this.#claims.readHeadHash(signal);
  }

  claim(hash: Hash32, signal: AbortSignal): Promise<ClaimReport> {
    return this.#claims.claim(hash, signal);
  }

  hasClaimed(hash: Hash32, signal: AbortSignal): Promise<boolean> {
    return this.#claims.hasClaimed(hash, signal);
  }
}
