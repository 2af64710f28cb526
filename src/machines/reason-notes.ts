/** For an operator who sees a node wait: what each reason means and what to check. */
import { REASONS, type ReasonText } from '../domain/reasons.ts';

export const REASON_NOTES: Readonly<Record<ReasonText, string>> = {
  [REASONS.initializing]: 'The node has just become eligible, or has just started: the tick under way says more.',
  [REASONS.peerCacheRefreshFailed]: 'The membership cannot be read: look at the RPC and the addresses of the contracts.',
  [REASONS.selfNotInNodeList]: 'The wallet of this enclave is not a member: look at its instance, version and app in the registry.',
  [REASONS.cannotReadLocalTeePubkey]: 'The enclave does not say who it is: look at the enclave API.',
  [REASONS.teePubkeyMismatch]: 'The enclave has booted since it was registered: the registry must learn its new key.',
  [REASONS.cannotReadHash]: 'The hash of the master secret cannot be read: look at the RPC and the address of KMSRegistry.',
  [REASONS.cannotGetRandom]: 'The enclave gives no random bytes for a secret: look at the enclave API.',
  [REASONS.failedToSetHash]: 'The claim of a new hash was not taken: look at the wallet’s funds and at KMSRegistry.',
  [REASONS.awaitingHash]: 'No hash stands on the chain yet; a claim is under way, or another node makes it.',
  [REASONS.secretSyncFailed]: 'No member handed the secret over, or it could not be used: look at the other nodes.',
  [REASONS.secretHashMismatch]: 'The chain shows another secret than the one held here: the members are asked for it.',
  [REASONS.hashNotDeepEnough]: 'The hash is too young to be trusted: it needs more blocks above it.',
  [REASONS.versionMayNotClaim]: 'A version that is not enrolled may not set the hash: a member of an enrolled one has to.',
  [REASONS.nobodyHoldsSecret]: 'No member that answers holds the secret: start one that does, or the owner resets the hash.',
  [REASONS.firstSnapshotMissing]: 'The store is empty and no member has given its records yet.',
  [REASONS.chainViewStale]: 'The chain could not be read for too long, or stands still: look at the RPC, its head and the clock of this machine.',
  [REASONS.stepTimedOut]: 'A step of the tick took longer than its limit: what it waits for hangs.',
};
