/** Reads the members from the chain with the same reader that nodes use (protocol.md §6). */
import type { Wallet } from '../domain/ids.ts';
import type { Membership } from '../domain/membership.ts';
import type { Clock } from '../domain/ports.ts';
import type { ProxySettings } from '../net/way-out.ts';
import { createRpcFetch, type RpcFetch } from '../net/rpc-fetch.ts';
import { Rpc } from '../registry/rpc.ts';
import { ViewReader } from '../registry/view-reader.ts';
import type { MembershipSource } from './options.ts';

/**
 * How long the last values of a registry entry are used while the entry cannot be read. A node has the same default. Milliseconds.
 */
const LAST_READ_TTL_MS = 180_000;

export interface ChainSourceOptions {
  readonly rpcUrl: string;
  readonly registry: Wallet;
  readonly appId: number;
  readonly inEnclave: boolean;
  readonly confirmations: number;
  readonly proxy: ProxySettings;
}

export class ChainSource implements MembershipSource {
  readonly #reader: ViewReader;
  readonly #rpcFetch: RpcFetch;

  constructor(options: ChainSourceOptions, modules: { readonly clock: Clock }) {
    this.#rpcFetch = createRpcFetch(options.proxy);
    const rpc = new Rpc({ url: options.rpcUrl }, { clock: modules.clock, fetch: this.#rpcFetch.fetch });
    this.#reader = new ViewReader(
      {
        kmsAppId: options.appId,
        inEnclave: options.inEnclave,
        confirmations: options.confirmations,
        novaAppRegistry: options.registry,
        // The reader also reads the chain hash, from this address. A client does not use the hash, so any address will do.
        kmsRegistry: options.registry,
        // Nodes check the timestamps of blocks; a client does not.
        maxClockSkewMs: Infinity,
        lastReadTtlMs: LAST_READ_TTL_MS,
      },
      { rpc, clock: modules.clock },
    );
  }

  async readMembership(signal: AbortSignal): Promise<Membership> {
    return (await this.#reader.readView(signal)).membership;
  }

  async close(): Promise<void> {
    await this.#rpcFetch.close();
  }
}
