/** The members as the chain shows them, by the same reading as a node's (protocol.md §6). */
import type { Wallet } from '../domain/ids.ts';
import type { Membership } from '../domain/membership.ts';
import type { Clock } from '../domain/ports.ts';
import type { ProxySettings } from '../net/way-out.ts';
import { createRpcFetch, type RpcFetch } from '../net/rpc-fetch.ts';
import { Rpc } from '../registry/rpc.ts';
import { ViewReader } from '../registry/view-reader.ts';
import type { MembershipSource } from './options.ts';

/** As long as nodes keep an entry that cannot be read by default. Milliseconds. */
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
        // The view holds the chain hash too, which a client does not use: the value here is not looked at.
        kmsRegistry: options.registry,
        // Whose clock is wrong is for the nodes to say.
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
