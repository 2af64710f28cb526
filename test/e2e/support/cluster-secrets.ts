/**
 * The secrets of a running cluster, and the search for them in all output of its processes. The test can fetch the master secret as a
 * member does (protocol.md §5), because the enclave emulators of the cluster sign and decrypt for any caller.
 */
import { deriveKey, DATA_KEY_PATH, SYNC_KEY_PATH } from '../../../src/crypto/derivation.ts';
import { generateP384 } from '../../../src/crypto/p384.ts';
import { openSecret } from '../../../src/crypto/sealed-secret.ts';
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import type { Cluster } from '../../../src/dev/cluster.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { OdynClient } from '../../../src/enclave/odyn-client.ts';
import { systemClock, systemRandom } from '../../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { RawCaller, RawHttp, type Target } from './raw-caller.ts';
import { assertNoSecrets, type Output, type Secret } from './secret-search.ts';

/** The ids of the first apps of a cluster. The search looks for their data keys. */
const APP_IDS = [1_001, 1_002, 1_003];

/** Runs `use` with a caller that acts as the given node and uses the enclave of that node. */
async function asNode<T>(node: ClusterNode, http: RawHttp, use: (peer: RawCaller) => Promise<T>): Promise<T> {
  const enclave = new OdynClient({ baseUrl: node.enclave.url }, { clock: systemClock });
  try {
    return await use(await RawCaller.create('peer', enclave, { http }));
  } finally {
    await enclave.close();
  }
}

/** The master secret that `holder` hands to `node`. @throws Error when `holder` refuses */
export async function askMasterSecret(node: ClusterNode, holder: Target = node, http = new RawHttp()): Promise<Uint8Array> {
  return asNode(node, http, async (peer) => {
    const keys = generateP384(systemRandom);
    const answer = await peer.send(holder, 'POST', '/sync', { type: 'master_secret_request', ecdh_pubkey: keys.publicKeyDer });
    const { sealed } = await peer.open(answer);
    const secret = openSecret(keys, sealed);
    if (secret === null) throw new Error('the sealed master secret does not open');
    return secret;
  });
}

/** A master secret, and the keys derived from it that no app may get. @param appIds apps whose data keys are included */
export function secretsFrom(masterSecret: Uint8Array, appIds: readonly number[] = APP_IDS): readonly Secret[] {
  return [
    { name: 'the master secret', bytes: masterSecret },
    { name: 'the sync key', bytes: deriveKey(masterSecret, 0, SYNC_KEY_PATH, 32) },
    ...appIds.map((appId) => ({ name: `the data key of app ${appId}`, bytes: deriveKey(masterSecret, appId, DATA_KEY_PATH, 32) })),
  ];
}

/** The wallet keys of all enclaves, and the master secret of the first ready node. @throws Error when no node becomes ready */
async function secretsOf(cluster: Cluster): Promise<readonly Secret[]> {
  const wallets = cluster.nodes.map(({ name, enclave }) => ({
    name: `the wallet key of ${name}`,
    bytes: Buffer.from(enclave.secretHex, 'hex'),
  }));
  return [...wallets, ...secretsFrom(await askMasterSecret(await aReadyNode(cluster)))];
}

/** Waits for a ready node, because only a ready node hands out the master secret. On a busy machine, all nodes may be unready for a moment. */
async function aReadyNode(cluster: Cluster): Promise<ClusterNode> {
  let ready: ClusterNode | undefined;
  await waitUntil({ what: 'a ready node, which knows the master secret', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
    const statuses = await Promise.all(cluster.nodes.map(async (node) => (node.running ? node.tryStatus() : null)));
    ready = cluster.nodes.find((_, index) => statuses[index]?.node.service_available === true);
    return ready === undefined ? 'no node is ready' : null;
  });
  return ready!;
}

/** Everything that the processes of the cluster have printed. */
export function linesOf(cluster: Cluster): readonly Output[] {
  return cluster.lines().map(({ source, stream, text }) => ({ source: `${source} ${stream}`, text }));
}

/** The answers of each node to public requests and to requests without a proof. */
export async function answersOf(cluster: Cluster): Promise<readonly Output[]> {
  const paths = ['/', '/health', '/status', '/nodes', '/kms/data', '/nothing'];
  const running = cluster.nodes.filter((node) => node.running);
  return Promise.all(
    running.flatMap((node) =>
      paths.map(async (path) => ({ source: `${node.name} ${path}`, text: await (await fetch(`${node.localUrl}${path}`)).text() })),
    ),
  );
}

/**
 * Searches all output of the cluster's processes and `more.outputs` for the cluster's secrets and `more.secrets`. Call it at the end of a
 * test, while the nodes are still running. @throws SecretLeakError
 */
export async function expectNoSecrets(
  cluster: Cluster,
  more: { readonly secrets?: readonly Secret[]; readonly outputs?: readonly Output[] } = {},
): Promise<void> {
  const secrets = [...(await secretsOf(cluster)), ...(more.secrets ?? [])];
  const outputs = [...linesOf(cluster), ...(more.outputs ?? [])];
  if (outputs.length === 0) throw new Error('there is no output to search');
  assertNoSecrets(secrets, outputs);
}
