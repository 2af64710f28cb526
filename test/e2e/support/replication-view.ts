/** An app's view of its keys on each node, through the real client. */
import { createHash } from 'node:crypto';
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import type { DevApp } from '../../../src/dev/dev-app.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { forEachOf } from './replication-writer.ts';

/** Maximum number of values that are read at the same time. */
const READERS = 8;

export async function keysOn(app: DevApp, node: ClusterNode): Promise<readonly string[]> {
  return (await app.client.list({}, { node: node.wallet })).keys;
}

/** Waits until all nodes list the same keys and `holds` accepts them. @returns the keys */
export async function waitForSameKeys(
  app: DevApp,
  nodes: readonly ClusterNode[],
  timeoutMs: number,
  holds: (keys: ReadonlySet<string>) => string | null,
): Promise<readonly string[]> {
  let same: readonly string[] = [];
  await waitUntil({ what: 'all nodes listing the same keys', timeoutMs }, async () => {
    const lists = await Promise.all(nodes.map((node) => keysOn(app, node)));
    const [first] = lists;
    same = first ?? [];
    const differs = lists.some((keys) => keys.join('\n') !== same.join('\n'));
    return differs ? `they list ${lists.map((keys) => keys.length).join(', ')} keys` : holds(new Set(same));
  });
  return same;
}

/** Waits until none of the nodes lists the key. */
export async function waitForAbsence(app: DevApp, nodes: readonly ClusterNode[], key: string, timeoutMs: number): Promise<void> {
  await waitUntil({ what: `${key} being absent`, timeoutMs }, async () => {
    const lists = await Promise.all(nodes.map((node) => keysOn(app, node)));
    const holders = nodes.filter((_, index) => lists[index]!.includes(key));
    return holders.length === 0 ? null : `it is on ${holders.map(({ name }) => name).join(', ')}`;
  });
}

/** The node's values for these keys, as `key fingerprint` or `key absent`, so that no test prints a value. */
export async function valuesOn(app: DevApp, node: ClusterNode, keys: readonly string[]): Promise<readonly string[]> {
  const seen: string[] = [];
  await forEachOf(keys, READERS, async (key) => {
    const stored = await app.client.get(key, { node: node.wallet });
    seen.push(`${key} ${stored === null ? 'absent' : fingerprintOf(stored.value)}`);
  });
  return seen.sort();
}

/** What `valuesOn` returns for a node that holds all these values. */
export function expectedValues(keys: readonly string[], valueOf: (key: string) => Uint8Array): readonly string[] {
  return keys.map((key) => `${key} ${fingerprintOf(valueOf(key))}`).sort();
}

function fingerprintOf(value: Uint8Array): string {
  return `${value.length}:${createHash('sha256').update(value).digest('hex').slice(0, 16)}`;
}
