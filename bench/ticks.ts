/**
 * `npm run bench:ticks`: the cost of a node_tick (protocol.md §9.11, §9.12). One real node runs on a real chain with 1, 10 and 100
 * registered instances. Its RPC has a delay of 50 ms. The benchmark measures the sequential round trips of one view, the duration of whole
 * ticks, and the number of blocks from the block of the claim until the node is ready.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import type { TeePubkey, Wallet } from '../src/domain/ids.ts';
import { startCluster, CONFIRMATIONS, type Cluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { KMS_APP_ID } from '../src/dev/dev-chain.ts';
import { waitUntil } from '../src/dev/waiting.ts';
import { Rpc } from '../src/registry/rpc.ts';
import { ViewReader } from '../src/registry/view-reader.ts';
import { systemClock } from '../src/system/system.ts';
import { aimAt } from './aims.ts';
import { startSlowRpc } from './slow-rpc.ts';
import { median, table } from './statistics.ts';

const LATENCY_MS = 50;
const SIZES = [1, 10, 100];
const TICKS_MEASURED = 7;
const READY_TIMEOUT_MS = 60_000;
const TICKS_TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 50;
const MAX_TRIPS = 3;

async function registerUpTo(cluster: Cluster, count: number, registered: number): Promise<void> {
  await cluster.chain.test.setAutomine(true);
  for (let index = registered; index < count; index += 1) {
    await cluster.chain.register({
      wallet: `0x${randomBytes(20).toString('hex')}` as Wallet,
      teePubkey: randomBytes(120).toString('hex') as TeePubkey,
      url: `http://127.0.0.1:9/${index}`,
    });
  }
  await cluster.mineConfirmations();
  await cluster.chain.test.setIntervalMining({ interval: 1 });
}

/** Durations of ticks that began after this call. Milliseconds. */
async function tickDurations(node: ClusterNode, wanted: number): Promise<number[]> {
  const durations: number[] = [];
  let seen: unknown = lastTick(await node.status())?.started_at_ms;
  let skipped = false;
  await waitUntil({ what: `${wanted} node_ticks`, timeoutMs: TICKS_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () => {
    const tick = lastTick(await node.status());
    if (tick !== null && tick.started_at_ms !== seen) {
      seen = tick.started_at_ms;
      // The first tick may have begun before this call.
      if (skipped) durations.push(tick.duration_ms);
      skipped = true;
    }
    return durations.length >= wanted ? null : `there were ${durations.length}`;
  });
  return durations;
}

interface TickFacts {
  readonly started_at_ms: number;
  readonly duration_ms: number;
}

function lastTick(status: Awaited<ReturnType<ClusterNode['status']>>): TickFacts | null {
  return (status.readiness as { last_tick?: TickFacts | null } | undefined)?.last_tick ?? null;
}

/** The sequential round trips of one view of the chain. */
async function roundTrips(cluster: Cluster, url: string): Promise<{ trips: number; members: number }> {
  let trips = 0;
  const rpc = new Rpc({ url }, { clock: systemClock, fetch, onRoundTrip: () => (trips += 1) });
  const { novaAppRegistry, kmsRegistry } = cluster.chain;
  const options = { kmsAppId: KMS_APP_ID, inEnclave: false, confirmations: CONFIRMATIONS, novaAppRegistry, kmsRegistry, maxClockSkewMs: Infinity, lastReadTtlMs: 0 };
  const view = await new ViewReader(options, { rpc, clock: systemClock }).readView(AbortSignal.timeout(READY_TIMEOUT_MS));
  return { trips, members: view.membership.members.length };
}

const cluster = await startCluster({ nodes: 1, tickSeconds: 1, start: false });
const slow = await startSlowRpc(cluster.chain.url, LATENCY_MS);
try {
  const node = cluster.node(1);
  await node.start({ NODE_URL: slow.url, RATE_LIMIT_PER_MINUTE: '0' });
  await node.waitForState('ready', READY_TIMEOUT_MS);
  const readyAtBlock = await cluster.chain.client.getBlockNumber();
  const [claim] = await cluster.chain.claimBlocks();
  const rows: (string | number)[][] = [['instances', 'sequential round trips', 'node_tick median ms', 'max ms']];
  let registered = 1;
  for (const size of SIZES) {
    await registerUpTo(cluster, size, registered);
    registered = size;
    const { trips, members } = await roundTrips(cluster, slow.url);
    if (members !== size) throw new Error(`the chain lists ${members} members instead of ${size}`);
    const durations = await tickDurations(node, TICKS_MEASURED);
    aimAt(`at most ${MAX_TRIPS} round trips with ${size} instances`, trips <= MAX_TRIPS);
    rows.push([size, trips, median(durations), Math.max(...durations)]);
  }
  process.stdout.write(`latency of the RPC: ${LATENCY_MS} ms; ${TICKS_MEASURED} ticks for each row\n${table(rows)}\n`);
  process.stdout.write(`blocks from the claim's block to ready: ${readyAtBlock - claim!} (confirmations: ${CONFIRMATIONS})\n`);
} finally {
  await cluster.close();
  await slow.close();
}
