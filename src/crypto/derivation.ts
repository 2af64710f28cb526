/** Key derivation (protocol.md §3): HKDF-SHA256(master secret, salt `nova-kms:app:<app id>`, info path[:context]). */
import { hkdfSha256 } from './hkdf.ts';

/** The info text of an app's storage key: reserved, apps cannot derive it. */
export const DATA_KEY_PATH = 'data_key';
/** Under app id 0: the cluster's HMAC key. */
export const SYNC_KEY_PATH = 'sync_hmac_key';

/** Path and context are joined unescaped; an empty context is none. */
export function derivationInfo(path: string, context: string | undefined): string {
  return context === undefined || context === '' ? path : `${path}:${context}`;
}

/** @param appId decimal digits, or a number that is exact */
export function deriveKey(masterSecret: Uint8Array, appId: string | number | bigint, info: string, length: number): Uint8Array {
  return hkdfSha256(masterSecret, `nova-kms:app:${appId}`, info, length);
}

/**
 * The key of the tags in the audit (docs/audit.md). Its salt is not that of any app, so that no app derives it, and all nodes that hold the secret
 * have the same one.
 */
export function deriveAuditKey(masterSecret: Uint8Array): Uint8Array {
  return hkdfSha256(masterSecret, 'nova-kms:audit', 'audit_tag_key', 32);
}
