/**
 * Whether signatures come from libsecp256k1. Its package falls back, without a word, to a library in JavaScript where it has no
 * prebuilt binary: every proof then costs tens of times as much. The node says so at start.
 */
import { createRequire } from 'node:module';

/** What the package itself tries first. */
const NATIVE = 'secp256k1/bindings';

/** @param load of CommonJS modules */
export function signsNatively(load: (name: string) => unknown = createRequire(import.meta.url)): boolean {
  try {
    load(NATIVE);
    return true;
  } catch {
    return false;
  }
}
