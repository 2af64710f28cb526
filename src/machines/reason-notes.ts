/** For an operator who sees a node wait: what each reason means and what to check. */
import { REASONS, type ReasonText } from '../domain/reasons.ts';

export const REASON_NOTES: Readonly<Record<ReasonText, string>> = {
  [REASONS.initializing]: 'The node has just become eligible, or has just started: the tick that is running will find a more exact reason.',
  [REASONS.peerCacheRefreshFailed]: 'The membership cannot be read: check the RPC and the addresses of the contracts.',
  [REASONS.selfNotInNodeList]: 'The wallet of this enclave is not a member: check its instance, version and app in the registry.',
  [REASONS.cannotReadLocalTeePubkey]: 'The enclave API does not return the wallet or the key of the enclave: check this API.',
  [REASONS.teePubkeyMismatch]: 'The enclave has rebooted since the instance was registered, and has a new key: register the instance again.',
  [REASONS.cannotReadHash]: 'The hash of the master secret cannot be read: check the RPC and the address of KMSRegistry.',
  [REASONS.cannotGetRandom]: 'The enclave API returns no random bytes for a secret: check this API.',
  [REASONS.failedToSetHash]: 'The chain did not accept the claim of a new hash: check the funds of the wallet, and KMSRegistry.',
  [REASONS.awaitingHash]: 'The chain has no hash yet. A claim by this node or by another member is under way.',
  [REASONS.secretSyncFailed]: 'No member handed over a usable secret: check the other nodes.',
  [REASONS.secretHashMismatch]: 'The chain shows the hash of a secret that this node does not have: the node asks the members for that secret.',
  [REASONS.hashNotDeepEnough]: 'The hash is too new to be trusted: more blocks must follow it.',
  [REASONS.versionMayNotClaim]: 'A node whose version is not enrolled may not set the hash: a node with an enrolled version has to set it.',
  [REASONS.nobodyHoldsSecret]: 'No member that answers holds the secret: start a node that holds it, or have the owner reset the hash.',
  [REASONS.firstSnapshotMissing]: 'The store is empty, and no member has sent its records yet.',
  [REASONS.chainViewStale]: 'The chain has been unreadable for too long, or its head does not move: check the RPC, its head and the clock of this machine.',
  [REASONS.stepTimedOut]: 'A step of the tick took longer than its timeout: it was waiting for a service that did not respond.',
};
