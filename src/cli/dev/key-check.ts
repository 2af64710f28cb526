/**
 * Checks that a cluster works: an app asks each node in turn to derive a key from the same path, and this file compares the keys. The
 * client accepts an answer only if the node's wallet signed it and the node's registered key sealed it.
 */
import type { KmsClient } from '../../client/kms-client.ts';
import { constantTimeEqual, sha256 } from '../../crypto/hash.ts';
import type { Wallet } from '../../domain/ids.ts';

/** The path of the key that every node derives; any path would do. */
const CHECK_PATH = 'cluster-check';
const FINGERPRINT_BYTES = 8;

export interface NodeKey {
  /** The first bytes of the SHA-256 of the key, in hex. */
  readonly fingerprint: string;
  /** Duration of the request. Milliseconds. */
  readonly durationMs: number;
}

export interface KeyCheck {
  /** The keys, in the order of the given wallets. */
  readonly keys: readonly NodeKey[];
  readonly equal: boolean;
}

/** @throws KmsClientError when a node returns no valid answer */
export async function checkKeys(
  wallets: readonly Wallet[],
  signal: AbortSignal,
  modules: { readonly client: Pick<KmsClient, 'derive' | 'nodes'>; readonly monotonicMs: () => number },
): Promise<KeyCheck> {
  const { client, monotonicMs } = modules;
  // Reads the list of nodes now, so that this read does not count as part of the first request's duration.
  await client.nodes({ signal });
  const held: Uint8Array[] = [];
  const keys: NodeKey[] = [];
  try {
    for (const wallet of wallets) {
      const startedMs = monotonicMs();
      const { key } = await client.derive({ path: CHECK_PATH }, { node: wallet, signal });
      held.push(key);
      keys.push({ fingerprint: fingerprintOf(key), durationMs: Math.round(monotonicMs() - startedMs) });
    }
    return { keys, equal: held.every((key) => constantTimeEqual(key, held[0]!)) };
  } finally {
    for (const key of held) key.fill(0);
  }
}

function fingerprintOf(key: Uint8Array): string {
  return Buffer.from(sha256(key).subarray(0, FINGERPRINT_BYTES)).toString('hex');
}
