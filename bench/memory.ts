/**
 * `npm run bench:memory`: the resident memory of a node as it runs in the package and in the image. It measures a node that is idle, a node
 * under load, a node with many keys, and a node that receives many keys in one snapshot. Then it sends the requests of a whole day in half
 * an hour (`memory-soak.ts`), during which the memory must not grow.
 *
 * `--minutes N` sets the length of this last part; 0 leaves it out. `--sources` runs the nodes from the sources. `--quick` uses fewer keys
 * and shorter loads, so that it can run with every build.
 */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { pause, waitUntil } from '../src/dev/waiting.ts';
import { aimAt } from './aims.ts';
import { createBenchApp } from './bench-app.ts';
import { buildNode } from './built-node.ts';
import { FillingMember } from './filling-member.ts';
import { soak } from './memory-soak.ts';
import { peakResidentMiB, residentMiB } from './process-figures.ts';
import { table } from './statistics.ts';

const { values: options } = parseArgs({ options: { minutes: { type: 'string' }, sources: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } } });
const minutes = Number(options.minutes ?? (options.quick ? '1' : '30'));
const program = options.sources ? undefined : await buildNode();

const APP_ID = 1_001;
const VALUE_BYTES = 100;
const CALLERS = 16;
const KEYS = options.quick ? 5_000 : 50_000;
const LOAD_MS = options.quick ? 10_000 : 60_000;
/** How long nodes idle before their memory is measured. 20 s are enough for several ticks and rounds of anti-entropy. Milliseconds. */
const IDLE_MS = options.quick ? 5_000 : 20_000;
const READY_TIMEOUT_MS = 120_000;
const SAMPLE_EVERY_MS = 1_000;
/** How much more memory a node may use when it runs from the sources. MiB. */
const SOURCES_MIB = options.sources ? 40 : 0;

const UNLIMITED = { RATE_LIMIT_PER_MINUTE: '0', NONCE_RATE_LIMIT_PER_MINUTE: '0' };
const rows: (string | number)[][] = [['node', 'MiB', 'aim']];

function report(what: string, mib: number, aim: number): void {
  const aimed = aim + SOURCES_MIB;
  rows.push([what, mib, aimed]);
  aimAt(`${what}: at most ${aimed} MiB, not ${mib}`, mib <= aimed);
}

async function isReadyWith(node: ClusterNode, keys: number): Promise<void> {
  await waitUntil({ what: `${node.name} becoming ready with ${keys} keys`, timeoutMs: READY_TIMEOUT_MS, everyMs: 100 }, async () => {
    const status = await node.tryStatus();
    if (status?.readiness?.state !== 'ready') return status?.readiness?.reason ?? 'no answer';
    return status.data_store.total_keys >= keys ? null : `it holds ${status.data_store.total_keys} keys`;
  });
}

/** The maximum memory during the work, with one sample per second. */
async function mostDuring(node: ClusterNode, work: Promise<unknown>): Promise<number> {
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  let most = 0;
  while (!done) {
    most = Math.max(most, residentMiB(node.pid!));
    await pause(SAMPLE_EVERY_MS).passed;
  }
  await ended;
  return most;
}

async function idleAndLoaded(): Promise<void> {
  const cluster = await startCluster({ nodes: 3, nodeProgram: program, environment: UNLIMITED });
  try {
    for (const node of cluster.nodes) await isReadyWith(node, 0);
    const [node] = cluster.nodes as [ClusterNode];
    await pause(IDLE_MS).passed;
    report('idle, ready, with two peers', residentMiB(node.pid!), 95);
    const client = await createBenchApp(cluster);
    const untilMs = performance.now() + LOAD_MS;
    const call = async (): Promise<void> => {
      while (performance.now() < untilMs) await client.derive({ path: 'bench' }, { node: node.wallet });
    };
    report(`maximum with ${CALLERS} callers of derive for ${LOAD_MS / 1_000} s`, await mostDuring(node, Promise.all(Array.from({ length: CALLERS }, call))), 130);
    await client.close();
  } finally {
    await cluster.close();
  }
}

async function withKeys(): Promise<void> {
  const secret = randomBytes(32).toString('hex');
  const filler = new FillingMember(secret);
  const cluster = await startCluster({
    nodes: 2,
    nodeProgram: program,
    environment: UNLIMITED,
    plans: [{ environment: { MASTER_SECRET_HEX: secret } }, { start: false }],
    prepare: async ({ chain }) => chain.register({ wallet: filler.wallet, teePubkey: filler.teePubkey, url: filler.url }),
  });
  try {
    const [holder, joining] = cluster.nodes as [ClusterNode, ClusterNode];
    await isReadyWith(holder, 0);
    await filler.fill(holder, filler.records(APP_ID, KEYS, VALUE_BYTES));
    await pause(IDLE_MS).passed;
    report(`${KEYS} keys of ${VALUE_BYTES} bytes that were received in deltas`, residentMiB(holder.pid!), 160);
    await joining.start();
    await isReadyWith(joining, KEYS);
    report(`maximum while ${KEYS} keys are merged as one snapshot`, peakResidentMiB(joining.pid!), 250);
    await pause(IDLE_MS).passed;
    report(`${KEYS} keys that were received in a snapshot`, residentMiB(joining.pid!), 160);
    report(`after sending ${KEYS} keys in a snapshot`, residentMiB(holder.pid!), 160);
  } finally {
    await cluster.close();
    await filler.close();
  }
}

await idleAndLoaded();
await withKeys();
process.stdout.write(`resident memory of a node that runs ${options.sources ? 'from the sources' : 'as a bundle'}\n${table(rows)}\n`);
if (minutes > 0) await soak(minutes, program);
