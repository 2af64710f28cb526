/** The settings for reading the chain and for claims, in the form that the code in `src/registry` expects. */
import type { Config } from '../config/settings.ts';
import type { ChainClientOptions } from '../registry/chain-client.ts';

const WEI_PER_GWEI = 1_000_000_000n;

export function chainOptions(config: Config): ChainClientOptions {
  return {
    kmsAppId: config.kmsAppId,
    inEnclave: config.inEnclave,
    novaAppRegistry: config.novaAppRegistry,
    kmsRegistry: config.kmsRegistry,
    confirmations: config.chainConfirmations,
    chainId: config.chainId,
    maxClockSkewMs: config.maxClockSkewMs,
    lastReadTtlMs: config.peerCacheTtlMs,
    claimMaxTip: BigInt(config.claimMaxTipGwei) * WEI_PER_GWEI,
  };
}
