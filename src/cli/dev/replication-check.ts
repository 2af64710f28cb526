/**
 * Checks that a cluster replicates: a real app client writes a record on the first node and asks the other nodes until they return it.
 * Then it deletes the record and checks the deletion in the same way.
 */
import type { KmsClient } from '../../client/kms-client.ts';
import { constantTimeEqual } from '../../crypto/hash.ts';
import { waitUntil } from '../../dev/waiting.ts';
import type { Wallet } from '../../domain/ids.ts';
import { systemRandom } from '../../system/system.ts';

const CHECK_KEY = 'cluster-check';
const VALUE_BYTES = 32;
/** How long a write may take to reach every node. Milliseconds. */
const SHOWN_TIMEOUT_MS = 30_000;
/** Pause between two requests, long enough to stay within the default rate limits. Milliseconds. */
const LOOK_EVERY_MS = 25;

/**
 * The times of one node. First node: the duration of its request. Any other node: the time from the first node's answer until this node
 * showed the change.
 */
export interface ReplicationTimes {
  readonly writtenMs: number;
  readonly deletedMs: number;
}

export interface ReplicationModules {
  readonly client: Pick<KmsClient, 'put' | 'get' | 'delete'>;
  readonly monotonicMs: () => number;
}

/**
 * @returns one entry per wallet, in the order of the wallets @throws KmsClientError; WaitError when a node does not show the result in time
 */
export async function checkReplication(
  wallets: readonly Wallet[],
  signal: AbortSignal,
  modules: ReplicationModules,
): Promise<readonly ReplicationTimes[]> {
  const [first] = wallets;
  if (first === undefined) return [];
  const { client } = modules;
  const value = systemRandom.bytes(VALUE_BYTES);
  const written = await timesUntil(wallets, signal, modules, () => client.put({ key: CHECK_KEY, value }, { node: first, signal }), (held) =>
    held !== null && constantTimeEqual(held, value),
  );
  const deleted = await timesUntil(wallets, signal, modules, () => client.delete({ key: CHECK_KEY }, { node: first, signal }), (held) => held === null);
  return wallets.map((_, index) => ({ writtenMs: written[index]!, deletedMs: deleted[index]! }));
}

async function timesUntil(
  [, ...others]: readonly Wallet[],
  signal: AbortSignal,
  { client, monotonicMs }: ReplicationModules,
  act: () => Promise<unknown>,
  isShown: (held: Uint8Array | null) => boolean,
): Promise<readonly number[]> {
  const startedMs = monotonicMs();
  await act();
  const doneMs = monotonicMs();
  const times = others.map(async (wallet) => {
    await waitUntil({ what: `the write reaching ${wallet}`, timeoutMs: SHOWN_TIMEOUT_MS, everyMs: LOOK_EVERY_MS, signal }, async () => {
      const stored = await client.get(CHECK_KEY, { node: wallet, signal });
      return isShown(stored?.value ?? null) ? null : 'the node does not show it yet';
    });
    return Math.round(monotonicMs() - doneMs);
  });
  return [Math.round(doneMs - startedMs), ...(await Promise.all(times))];
}
