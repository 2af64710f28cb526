/** Why a node is not ready, in the fixed words that operators search for (protocol.md §1). */
export const REASONS = {
  initializing: 'initializing',
  peerCacheRefreshFailed: 'peer cache refresh failed',
  selfNotInNodeList: 'self not in KMS node list',
  cannotReadLocalTeePubkey: 'cannot read local teePubkey',
  teePubkeyMismatch: 'local teePubkey mismatch with registry',
  cannotReadHash: 'cannot read master secret hash',
  cannotGetRandom: 'cannot get random bytes from odyn',
  failedToSetHash: 'failed to set master secret hash',
  awaitingHash: 'awaiting on-chain master secret hash',
  secretSyncFailed: 'master secret sync failed',
  secretHashMismatch: 'synced master secret hash mismatch',
  hashNotDeepEnough: 'master secret hash not deep enough',
  versionMayNotClaim: 'version may not claim',
  nobodyHoldsSecret: 'no reachable member holds the master secret',
  firstSnapshotMissing: 'first snapshot missing',
  chainViewStale: 'chain view is stale',
  stepTimedOut: 'node_tick step timed out',
} as const;

export type ReasonText = (typeof REASONS)[keyof typeof REASONS];

/** A reason. It is shown as the fixed words, followed by `: ` and the detail if there is one. */
export interface Reason {
  readonly text: ReasonText;
  readonly detail: string | null;
}

export function reason(text: ReasonText, detail: string | null = null): Reason {
  return { text, detail };
}

export function reasonLine(value: Reason): string {
  return value.detail === null ? value.text : `${value.text}: ${value.detail}`;
}
