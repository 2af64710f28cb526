/**
 * Makes one short string of an app id and a key. Such a string saves memory in sets of keys from peers, because a key from an older node
 * may be 64 KiB long.
 */
import { sha256 } from '../crypto/hash.ts';

/** A key with more characters than this is replaced by its hash. */
const MAX_PLAIN_KEY_CHARS = 64;

/** Unique for each key of each app. */
export function keyIdOf(appId: string, key: string): string {
  return key.length <= MAX_PLAIN_KEY_CHARS ? `${appId} ${key}` : `${appId}#${Buffer.from(sha256(key)).toString('base64')}`;
}
