/** A whole node that runs in the test's process and joins a cluster. The test can inspect its machine and see the calls to its enclave. */
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { Writable } from 'node:stream';
import { readConfig } from '../../../src/config/read-config.ts';
import type { ClusterNode, Environment } from '../../../src/dev/cluster-node.ts';
import type { Cluster } from '../../../src/dev/cluster.ts';
import { KMS_APP_ID } from '../../../src/dev/dev-chain.ts';
import { FailureLog } from '../../../src/domain/failure-log.ts';
import type { Chain, Enclave } from '../../../src/domain/ports.ts';
import { OdynClient } from '../../../src/enclave/odyn-client.ts';
import { createApp, listenerOf } from '../../../src/http/app.ts';
import { listen } from '../../../src/http/server.ts';
import { PeerTransport } from '../../../src/net/peer-transport.ts';
import { createRpcFetch } from '../../../src/net/rpc-fetch.ts';
import { chainOptions } from '../../../src/node/chain-options.ts';
import { composeNode } from '../../../src/node/compose-node.ts';
import { createLog } from '../../../src/observe/log.ts';
import { createAppReader } from '../../../src/registry/app-reader.ts';
import { CachedNovaRegistry } from '../../../src/registry/cached-nova-registry.ts';
import { ChainClient } from '../../../src/registry/chain-client.ts';
import { Rpc } from '../../../src/registry/rpc.ts';
import { systemClock, systemRandom, yieldToRequests } from '../../../src/system/system.ts';
import { InspectorRecord } from './inspector.ts';
import type { Output, Secret } from './secret-search.ts';

export interface InProcessNode {
  readonly inspector: InspectorRecord;
  /** Secrets that the node exchanges with its enclave and with callers. No output may contain them. */
  readonly secrets: readonly Secret[];
  /** The log of the node, and the events of the inspector. */
  outputs(): readonly Output[];
  close(): Promise<void>;
}

/** @param place a registered node of the cluster; its enclave must be running, but its process must not */
export async function startInProcessNode(
  place: ClusterNode,
  cluster: Cluster,
  environment: Environment,
  /** Takes the real chain client, and returns the one that the node uses. */
  chainOf: (chain: Chain) => Chain = (chain) => chain,
): Promise<InProcessNode> {
  const read = readConfig({
    IN_ENCLAVE: 'false',
    BIND_ADDR: `127.0.0.1:${place.port}`,
    ODYN_URL: place.enclave.url,
    NODE_URL: cluster.chain.url,
    NOVA_APP_REGISTRY_ADDRESS: cluster.chain.novaAppRegistry,
    KMS_REGISTRY_ADDRESS: cluster.chain.kmsRegistry,
    KMS_APP_ID: String(KMS_APP_ID),
    ...environment,
  });
  if (!read.ok) throw new Error(read.problems.join('; '));
  const { config } = read;
  const source = `${place.name} in process`;
  const lines: Output[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write: (text: string, _, done) => {
      lines.push({ source, text });
      done();
    },
  });
  const clock = systemClock;
  const log = createLog({ level: config.logLevel, stream }, { clock });
  const odyn = new OdynClient({ baseUrl: config.odynUrl }, { clock });
  const secrets: Secret[] = [];
  const enclave = listenedTo(odyn, secrets);
  const rpcFetch = createRpcFetch({ noProxy: '' });
  const rpc = new Rpc({ url: config.nodeUrl }, { clock, fetch: rpcFetch.fetch });
  const { inEnclave, novaAppRegistry } = config;
  const chain = chainOf(new ChainClient(chainOptions(config), { rpc, clock, enclave, log }));
  const reader = createAppReader({ novaAppRegistry }, { rpc });
  const appRegistry = new CachedNovaRegistry({ ttlMs: config.registryCacheTtlMs }, { reader, clock });
  const transport = new PeerTransport({ inEnclave, proxy: { noProxy: '' } }, { clock });
  const failures: Error[] = [];
  const node = composeNode(
    config,
    { clock, random: systemRandom, log, failures: new FailureLog({ clock }), chain, appRegistry, enclave, transport, yieldNow: yieldToRequests },
    (error) => void failures.push(error),
  );
  const inspector = new InspectorRecord(`inspector of ${place.name}`);
  inspector.attach(node.actor);
  const app = listenerOf(createApp(node.appOptions, node.appModules));
  const listener: RequestListener = (request, response) => {
    noteTokens(request.headers, secrets);
    app(request, response);
  };
  const server = await listen({ host: '127.0.0.1', port: place.port }, { listener, clock });
  node.start();
  return {
    inspector,
    secrets,
    outputs: () => [...lines, ...inspector.outputs()],
    async close() {
      node.stop();
      server.destroy();
      await server.drain();
      await node.endAudit();
      node.wipe();
      await Promise.all([transport.close(), odyn.close(), rpcFetch.close()]);
      if (failures[0] !== undefined) throw failures[0];
    },
  };
}

/** Adds the proofs in the headers of a received request to `secrets`. */
function noteTokens(headers: IncomingHttpHeaders, secrets: Secret[]): void {
  for (const name of ['x-app-signature', 'x-kms-signature']) {
    const bytes = Buffer.from(String(headers[name] ?? '').replace(/^0x/, ''), 'hex');
    if (bytes.length >= 16) secrets.push({ name: `the ${name} of a received request`, bytes });
  }
}

/** Wraps the enclave, and records as secrets the proofs, candidates and inner bodies that it makes or gets. */
function listenedTo(enclave: Enclave, secrets: Secret[]): Enclave {
  const note = (name: string, bytes: Uint8Array): void => {
    if (bytes.length >= 16) secrets.push({ name, bytes: Uint8Array.from(bytes) });
  };
  return {
    address: (signal) => enclave.address(signal),
    publicKey: (signal) => enclave.publicKey(signal),
    async random(signal) {
      const bytes = await enclave.random(signal);
      note('a candidate', bytes);
      return bytes;
    },
    async sign(message, signal) {
      const signature = await enclave.sign(message, signal);
      // The signature of an answer is public; a proof is secret.
      if (message.startsWith('NovaKMS:Auth:')) note('a proof between nodes', Buffer.from(signature.slice(2), 'hex'));
      return signature;
    },
    signTransaction: (transaction, signal) => enclave.signTransaction(transaction, signal),
    async encrypt(plaintext, receiver, signal) {
      note('an inner body that was sealed', Buffer.from(String(plaintext)));
      return enclave.encrypt(plaintext, receiver, signal);
    },
    async decrypt(sealed, signal) {
      const plaintext = await enclave.decrypt(sealed, signal);
      note('an inner body that was opened', Buffer.from(plaintext));
      return plaintext;
    },
  };
}
