/** Key derivation (protocol.md §3): HKDF-SHA256(master secret, salt `nova-kms:app:<app id>`, info path[:context]). */
import { hkdfExpand, hkdfExtract, hkdfSha256 } from './hkdf.ts';

/** The info string of an app's data key. It is reserved: apps cannot derive this key. */
export const DATA_KEY_PATH = 'data_key';
/** The info string of the cluster's HMAC key, which is derived with app id 0. */
export const SYNC_KEY_PATH = 'sync_hmac_key';

/** Path and context are joined without escaping. An empty context is treated as absent. */
export function derivationInfo(path: string, context: string | undefined): string {
  return context === undefined || context === '' ? path : `${path}:${context}`;
}

/** @param appId decimal digits as a string, a safe integer or a bigint */
export function deriveKey(masterSecret: Uint8Array, appId: string | number | bigint, info: string, length: number): Uint8Array {
  const appSecret = deriveAppSecret(masterSecret, appId);
  try {
    return hkdfExpand(appSecret, info, length);
  } finally {
    appSecret.fill(0);
  }
}

/** The first step of `deriveKey`, which is the same for all keys of an app. `hkdfExpand` is the second step. */
export function deriveAppSecret(masterSecret: Uint8Array, appId: string | number | bigint): Uint8Array {
  return hkdfExtract(masterSecret, `nova-kms:app:${appId}`);
}

/**
 * The key for the tags in the audit log (docs/audit.md). Its salt differs from the salt of every app, so no app can derive it. All nodes
 * that hold the secret have the same key.
 */
export function deriveAuditKey(masterSecret: Uint8Array): Uint8Array {
  return hkdfSha256(masterSecret, 'nova-kms:audit', 'audit_tag_key', 32);
}
