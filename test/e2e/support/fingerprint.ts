/** Fingerprints of derived keys. Tests print them instead of keys. */
import { createHash } from 'node:crypto';
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import type { DevApp } from '../../../src/dev/dev-app.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

const PATH = 'the life of a node';

/** The fingerprint of the key that this node derives for the app, through the real client. */
export async function fingerprintFrom(app: DevApp, node: ClusterNode): Promise<string> {
  const { key } = await app.client.derive({ path: PATH }, { node: node.wallet });
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

/** The distinct fingerprints of the nodes: one fingerprint if all nodes agree. */
export async function fingerprintsOf(app: DevApp, nodes: readonly ClusterNode[]): Promise<readonly string[]> {
  return [...new Set(await Promise.all(nodes.map((node) => fingerprintFrom(app, node))))];
}

/** Waits until the app's client has read the current key of the node's enclave from the chain. */
export async function waitForKnownKey(app: DevApp, node: ClusterNode): Promise<void> {
  await waitUntil({ what: `the client knowing the key of ${node.name}`, timeoutMs: WAIT_TIMEOUT_MS }, async () => {
    const nodes = await app.client.nodes();
    return nodes.some(({ teePubkey }) => teePubkey === node.teePubkey) ? null : 'it knows an older key';
  });
}
