/**
 * Tells whether signatures come from libsecp256k1. Without a prebuilt binary, the package `secp256k1` silently falls back to
 * JavaScript, and every proof takes dozens of times as long. The node reports this at start.
 */
import { createRequire } from 'node:module';

/** The module that the package itself tries to load first. */
const NATIVE = 'secp256k1/bindings';

/** @param load loads a CommonJS module */
export function signsNatively(load: (name: string) => unknown = createRequire(import.meta.url)): boolean {
  try {
    load(NATIVE);
    return true;
  } catch {
    return false;
  }
}
