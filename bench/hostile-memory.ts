/**
 * `npm run bench:hostile-memory`: how much memory hostile callers can make a node use (protocol.md §10, Bounds). Each attack runs against a
 * node in a new process. The attacks are endless bodies from a member, endless bodies from an app, and many snapshot requests at the same
 * time.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import process from 'node:process';
import { LocalIdentity } from '../src/client/local-identity.ts';
import { deriveKey } from '../src/crypto/derivation.ts';
import { startCluster, type Cluster } from '../src/dev/cluster.ts';
import { KMS_APP_ID } from '../src/dev/dev-chain.ts';
import { pause, waitUntil } from '../src/dev/waiting.ts';
import { systemRandom } from '../src/system/system.ts';
import { RawCaller, RawHttp, type Target } from '../test/e2e/support/raw-caller.ts';
import { residentMiB } from './process-figures.ts';
import { table } from './statistics.ts';

const APP_ID = 1_001;
const MIB = 1024 * 1024;
const SECRET = randomBytes(32);
const READY_TIMEOUT_MS = 240_000;
const LOOK_EVERY_MS = 20;
/** How long the attack keeps its requests open. Milliseconds. */
const HOLD_MS = 3_000;
/** Number and size of the values that fill the quota of an app. */
const [VALUES, VALUE_BYTES] = [10, 900 * 1024];

interface Attackers {
  readonly app: RawCaller;
  readonly peer: RawCaller;
  readonly target: Target;
  readonly port: number;
}

interface Outcome {
  readonly sentMiB: number;
  /** Number of answers, by status. */
  readonly answers: ReadonlyMap<string, number>;
}

/** Sends a body of the maximum allowed length, without its last byte. */
async function hold(port: number, method: string, path: string, headers: Record<string, string>, bytes: number): Promise<{ readonly sent: number; readonly status: string }> {
  const socket = connect(port, '127.0.0.1');
  let status = 'none';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => (status = status === 'none' ? chunk.toString('latin1', 9, 12) : status));
  const head = Object.entries({ ...headers, host: 'node.test', 'content-type': 'application/json', 'content-length': String(bytes) });
  socket.write(`${method} ${path} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  const chunk = Buffer.alloc(MIB, 0x61);
  let sent = 0;
  while (sent < bytes - 1 && !socket.destroyed) {
    const part = chunk.subarray(0, Math.min(MIB, bytes - 1 - sent));
    const taken = Promise.withResolvers<undefined>();
    const onClose = (): void => taken.resolve(undefined);
    socket.once('close', onClose);
    socket.write(part, () => taken.resolve(undefined));
    await taken.promise;
    socket.off('close', onClose);
    sent += part.length;
  }
  await pause(HOLD_MS).passed;
  socket.destroy();
  return { sent, status };
}

async function holdMany(count: number, one: () => ReturnType<typeof hold>): Promise<Outcome> {
  const held = await Promise.all(Array.from({ length: count }, one));
  return { sentMiB: held.reduce((sum, { sent }) => sum + sent, 0) / MIB, answers: counted(held.map(({ status }) => status)) };
}

function counted(statuses: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

const syncKey = (): Uint8Array => deriveKey(SECRET, 0, 'sync_hmac_key', 32);

const ATTACKS: Readonly<Record<string, (attackers: Attackers) => Promise<Outcome>>> = {
  '50 /sync bodies from a member': async ({ peer, target, port }) =>
    holdMany(50, async () => hold(port, 'POST', '/sync', { ...(await peer.proof(target)), 'x-sync-signature': 'ab'.repeat(32) }, 50 * MIB)),
  '150 bodies from an app': async ({ app, target, port }) => holdMany(150, async () => hold(port, 'PUT', '/kms/data', await app.proof(target), 4 * MIB)),
  '60 snapshots for a member': async ({ app, peer, target }) => {
    for (let nth = 0; nth < VALUES; nth += 1) await app.send(target, 'PUT', '/kms/data', { key: `key ${nth}`, value: randomBytes(VALUE_BYTES).toString('base64') });
    const ask = () => peer.send(target, 'POST', '/sync', { type: 'snapshot_request', sender_wallet: peer.wallet }, { syncKey: syncKey() });
    const answers = await Promise.all(Array.from({ length: 60 }, async () => ask().then(({ status }) => String(status), () => 'none')));
    return { sentMiB: 0, answers: counted(answers) };
  },
};

async function newIdentity(cluster: Cluster, appId: number, url: string): Promise<LocalIdentity> {
  const identity = new LocalIdentity({ privateKey: randomBytes(32) }, { random: systemRandom });
  await cluster.chain.register({ appId, wallet: await identity.address(), teePubkey: await identity.publicKey(), url });
  return identity;
}

async function measure(attack: (attackers: Attackers) => Promise<Outcome>) {
  const identities: { app?: LocalIdentity; peer?: LocalIdentity } = {};
  const cluster = await startCluster({
    nodes: 1,
    environment: { IN_ENCLAVE: 'false', MASTER_SECRET_HEX: SECRET.toString('hex'), RATE_LIMIT_PER_MINUTE: '0', NONCE_RATE_LIMIT_PER_MINUTE: '0' },
    prepare: async (prepared) => {
      await prepared.chain.createApp(APP_ID);
      identities.app = await newIdentity(prepared, APP_ID, 'https://app.test');
      identities.peer = await newIdentity(prepared, KMS_APP_ID, 'http://127.0.0.1:9');
    },
  });
  try {
    const node = cluster.node(1);
    const target = { localUrl: node.localUrl, wallet: node.wallet, teePubkey: node.teePubkey };
    await waitUntil({ what: 'the node becoming ready', timeoutMs: READY_TIMEOUT_MS }, async () => {
      const { node: shown, cluster: members } = (await (await fetch(`${node.localUrl}/status`)).json()) as { node: { service_available: boolean }; cluster: { total_instances: number } };
      return shown.service_available && members.total_instances === 2 ? null : 'it is not ready, or does not list both members';
    });
    const http = new RawHttp();
    const [app, peer] = [await RawCaller.create('app', identities.app!, { http }), await RawCaller.create('peer', identities.peer!, { http })];
    const before = residentMiB(node.pid!);
    let peak = before;
    const looking = setInterval(() => (peak = Math.max(peak, residentMiB(node.pid!))), LOOK_EVERY_MS);
    const outcome = await attack({ app, peer, target, port: node.port });
    clearInterval(looking);
    const after = await fetch(`${node.localUrl}/health`).then(({ status }) => String(status), () => 'none');
    return { before, peak, outcome, after };
  } finally {
    await cluster.close();
  }
}

const rows: string[][] = [];
for (const [name, attack] of Object.entries(ATTACKS)) {
  if (process.argv[2] !== undefined && !name.startsWith(process.argv[2])) continue;
  const { before, peak, outcome, after } = await measure(attack);
  const answers = [...outcome.answers].map(([status, count]) => `${count} × ${status}`).join(', ');
  rows.push([name, `${before}`, `${peak}`, `${peak - before}`, outcome.sentMiB.toFixed(0), answers, after]);
}
process.stdout.write(`${table([['', 'before, MiB', 'peak, MiB', 'growth, MiB', 'sent, MiB', 'answers', '/health'], ...rows])}\n`);
