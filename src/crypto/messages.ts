/**
 * The messages that are signed (protocol.md §3). Each contains the wallet of one node: the node that receives the request, sends the answer
 * or keeps the audit log. The word after `NovaKMS:` differs by kind, so a signature of one kind is never valid for another kind.
 */
import type { Wallet } from '../domain/ids.ts';
import { MAX_PEER_NONCE_CHARS } from '../domain/limits.ts';
import { isBase64 } from './base64.ts';

/** The nonce if it is well-formed, otherwise null. The other side chooses the nonce, and it becomes part of a signed message. */
export function readNonce(given: unknown): string | null {
  const usable = typeof given === 'string' && given !== '' && given.length <= MAX_PEER_NONCE_CHARS && isBase64(given);
  return usable ? given : null;
}

/** @param timestamp Unix seconds, as sent */
export function appAuthMessage(nonce: string, nodeWallet: Wallet, timestamp: string | number): string {
  return `NovaKMS:AppAuth:${nonce}:${nodeWallet}:${timestamp}`;
}

/** @param timestamp Unix seconds, as sent */
export function peerAuthMessage(nonce: string, receiver: Wallet, timestamp: string | number): string {
  return `NovaKMS:Auth:${nonce}:${receiver}:${timestamp}`;
}

/** @param callerSignature exactly as the caller sent it */
export function responseMessage(callerSignature: string, nodeWallet: Wallet): string {
  return `NovaKMS:Response:${callerSignature}:${nodeWallet}`;
}

/**
 * A checkpoint in a node's audit log (docs/audit.md).
 * @param hash 64 hex digits
 */
export function auditMessage(sequence: number, hash: string, wallet: Wallet): string {
  return `NovaKMS:Audit:${sequence}:${hash}:${wallet}`;
}
