/** App and key as one short text, for sets of keys that peers name: a key of an older node may be 64 KiB long. */
import { sha256 } from '../crypto/hash.ts';

/** Longer keys stand for themselves by their hash. Characters. */
const MAX_PLAIN_KEY_CHARS = 64;

/** The same for the same key of the same app, and for no other. */
export function keyIdOf(appId: string, key: string): string {
  return key.length <= MAX_PLAIN_KEY_CHARS ? `${appId} ${key}` : `${appId}#${Buffer.from(sha256(key)).toString('base64')}`;
}
