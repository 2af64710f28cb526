/**
 * `npm run bench:convergence`: how soon the other nodes show a write, and how many requests and bytes between the nodes this takes
 * (protocol.md §10, Who sends what and Nudge). For 500 writes, it measures the time from an acknowledged put on node 1 until the lists of
 * nodes 2 and 3 contain the key: with the nudge (a write causes a sync_tick) and with only the interval (regular sync_ticks). The nudge is
 * measured in two ways, each with one write at a time. If a write begins after the nudge interval of the write before, its sync_tick
 * follows at once, and this measures what the nodes take. If each write begins as soon as the nodes show the write before, most writes fall
 * into a nudge interval and wait for its end, so this measures mostly the interval, which is 50 ms less the time of a put. Then the
 * benchmark counts requests and bytes between 3, 5 and 9 nodes.
 *
 * `--writes N` sets the number of writes. `--only PART` runs only that part: `nudge`, `interval` or `cost`.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { KmsClient } from '../src/client/kms-client.ts';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode, Environment } from '../src/dev/cluster-node.ts';
import { waitUntil } from '../src/dev/waiting.ts';
import { aimAt } from './aims.ts';
import { createBenchApp, WIDE_LIMITS } from './bench-app.ts';
import { CountingFront, sumOf, type Traffic } from './counting-front.ts';
import { median, percentile, table } from './statistics.ts';

const VALUE_BYTES = 100;
/** Aims for the time until both other nodes show a write, with the nudge and one write at a time. Milliseconds. */
const MEDIAN_AIM_MS = 15;
/** Holds also for writes that wait for the end of a nudge interval. */
const P99_AIM_MS = 90;
const LIMIT_MS = 90_000;
const LOOK_EVERY_MS = 5;
/** Time between two lists from one node. A measured time can be too long by up to this time plus the duration of a list. Milliseconds. */
const LIST_EVERY_MS = 2;
/** Pause between two writes in the measurement without the nudge, so that writes happen in every phase of the interval. Milliseconds. */
const WRITE_EVERY_MS = 37;
/** Shortest and longest pause between two writes that are measured apart: longer than the default of `DATA_SYNC_NUDGE_MS`. Milliseconds. */
const APART_MS = { from: 60, to: 110 };
const SIZES = [3, 5, 9];
const COUNTED_WRITES = 40;
const BURST = 200;
const BURST_WRITERS = 8;

const { values: options } = parseArgs({ options: { writes: { type: 'string', default: '500' }, only: { type: 'string' } } });
const writes = Number(options.writes);
const runs = (part: 'nudge' | 'interval' | 'cost'): boolean => options.only === undefined || options.only === part;

/** Notes when each key was first seen on a node. Monotonic milliseconds. */
class Watcher {
  readonly seen = new Map<string, number>();
  readonly #client: KmsClient;
  readonly #node: ClusterNode;
  #watching = true;
  readonly #ended: Promise<void>;

  constructor(client: KmsClient, node: ClusterNode) {
    this.#client = client;
    this.#node = node;
    this.#ended = this.#watch();
  }

  async end(): Promise<void> {
    this.#watching = false;
    await this.#ended;
  }

  async #watch(): Promise<void> {
    while (this.#watching) {
      const { keys } = await this.#client.list({}, { node: this.#node.wallet });
      const nowMs = performance.now();
      for (const key of keys) if (!this.seen.has(key)) this.seen.set(key, nowMs);
      await delay(LIST_EVERY_MS);
    }
  }
}

interface Delays {
  readonly firstMs: readonly number[];
  readonly allMs: readonly number[];
}

/** When the next write begins: after a pause, as soon as the nodes show the one before, or at a fixed interval. */
type Pace = 'apart' | 'one by one' | 'regular';

async function measureDelays(environment: Environment, pace: Pace): Promise<Delays> {
  const cluster = await startCluster({
    nodes: 3,
    environment: { ...WIDE_LIMITS, DATA_SYNC_INTERVAL_SECONDS: '1', ...environment },
  });
  try {
    await Promise.all(cluster.nodes.map((node) => node.waitForState('ready', LIMIT_MS)));
    const client = await createBenchApp(cluster);
    const [writing, ...showing] = cluster.nodes as [ClusterNode, ...ClusterNode[]];
    const watchers = showing.map((node) => new Watcher(client, node));
    const written = new Map<string, number>();
    const isSeen = (key: string): boolean => watchers.every(({ seen }) => seen.has(key));
    const waitFor = (what: string, keys: readonly string[]): Promise<void> =>
      waitUntil({ what, timeoutMs: LIMIT_MS, everyMs: LOOK_EVERY_MS }, async () => (keys.every(isSeen) ? null : 'not yet on all nodes'));
    try {
      for (let index = 0; index < writes; index += 1) {
        const key = `key-${index}`;
        await client.put({ key, value: randomBytes(VALUE_BYTES) }, { node: writing.wallet });
        written.set(key, performance.now());
        if (pace === 'regular') await delay(WRITE_EVERY_MS);
        else await waitFor('showing a write', [key]);
        if (pace === 'apart') await delay(APART_MS.from + Math.random() * (APART_MS.to - APART_MS.from));
      }
      await waitFor('showing all writes', [...written.keys()]);
    } finally {
      await Promise.all(watchers.map((watcher) => watcher.end()));
    }
    await client.close();
    const delays = [...written].map(([key, atMs]) => watchers.map(({ seen }) => Math.max(0, seen.get(key)! - atMs)));
    return { firstMs: delays.map((each) => Math.min(...each)), allMs: delays.map((each) => Math.max(...each)) };
  } finally {
    await cluster.close();
  }
}

function delayRow(what: string, { firstMs, allMs }: Delays): readonly string[] {
  const figures = [median(firstMs), median(allMs), percentile(allMs, 99), Math.max(...allMs)];
  return [what, ...figures.map((ms) => ms.toFixed(1))];
}

interface Cost {
  readonly pushes: number;
  readonly others: number;
  readonly bytes: number;
}

function costPerWrite(before: Traffic, after: Traffic, writes: number): Cost {
  return {
    pushes: (after.syncRequests - before.syncRequests) / writes,
    others: (after.otherRequests - before.otherRequests) / writes,
    bytes: (after.bytes - before.bytes) / writes,
  };
}

/** Counts the traffic of writes. All counted `/sync` requests are pushes, because the time between comparisons (an hour) exceeds the measurement. */
async function measureCost(size: number): Promise<{ readonly single: Cost; readonly burst: Cost; readonly burstMs: number }> {
  const fronts = await Promise.all(Array.from({ length: size }, () => CountingFront.start()));
  const cluster = await startCluster({
    nodes: size,
    environment: { ...WIDE_LIMITS, DATA_SYNC_INTERVAL_SECONDS: '3600' },
    plans: fronts.map(({ url }) => ({ url })),
    start: false,
  });
  try {
    for (const [index, front] of fronts.entries()) front.targetPort = cluster.nodes[index]!.port;
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await Promise.all(cluster.nodes.map((node) => node.waitForState('ready', LIMIT_MS)));
    const client = await createBenchApp(cluster, new Map(fronts.map(({ url }, index) => [url, cluster.nodes[index]!.localUrl])));
    const put = (key: string, node: ClusterNode): Promise<unknown> =>
      client.put({ key, value: randomBytes(VALUE_BYTES), acks: size - 1, ackTimeoutMs: 30_000 }, { node: node.wallet });
    // These writes open the connections and fetch the first nonces, so that this traffic is not counted.
    for (const node of cluster.nodes) await put(`first on ${node.name}`, node);
    const start = sumOf(fronts);
    for (let index = 0; index < COUNTED_WRITES; index += 1) await put(`single-${index}`, cluster.nodes[index % size]!);
    const middle = sumOf(fronts);
    const middleMs = performance.now();
    const left = Array.from({ length: BURST }, (_, index) => `burst-${index}`).values();
    const writer = async (): Promise<void> => {
      for (const key of left) await put(key, cluster.node(1));
    };
    await Promise.all(Array.from({ length: BURST_WRITERS }, writer));
    const burstMs = performance.now() - middleMs;
    const end = sumOf(fronts);
    await client.close();
    return { single: costPerWrite(start, middle, COUNTED_WRITES), burst: costPerWrite(middle, end, BURST), burstMs };
  } finally {
    await cluster.close();
    await Promise.all(fronts.map((front) => front.close()));
  }
}

if (runs('nudge') || runs('interval')) {
  process.stdout.write(
    `${writes} writes of ${VALUE_BYTES} bytes: milliseconds until the other nodes show a write\n` +
      'rate limits are checked for each call, but refuse none\n',
  );
  const delays: (readonly string[])[] = [['', 'on the first peer: median', 'on both peers: median', 'p99', 'max']];
  if (runs('nudge')) {
    const apart = await measureDelays({}, 'apart');
    delays.push(delayRow('with the nudge, writes apart', apart));
    aimAt(`with the nudge, a write is on both peers within ${MEDIAN_AIM_MS} ms (median)`, median(apart.allMs) <= MEDIAN_AIM_MS);
    aimAt(`with the nudge, a write is on both peers within ${P99_AIM_MS} ms (p99)`, percentile(apart.allMs, 99) <= P99_AIM_MS);
    const oneByOne = await measureDelays({}, 'one by one');
    delays.push(delayRow('with the nudge, each write as soon as the one before is shown', oneByOne));
    aimAt(`the same within a nudge interval, within ${P99_AIM_MS} ms (p99)`, percentile(oneByOne.allMs, 99) <= P99_AIM_MS);
  }
  if (runs('interval')) delays.push(delayRow('without the nudge, interval of 1 s', await measureDelays({ DATA_SYNC_NUDGE_MS: '0' }, 'regular')));
  process.stdout.write(`${table(delays)}\n\n`);
}

if (runs('cost')) {
  const rows: (string | number)[][] = [['nodes', 'pushes per write', 'aim', 'nonces', 'bytes', `pushes per write with ${BURST_WRITERS} writers`, 'bytes', 'writes per s']];
  for (const size of SIZES) {
    const { single, burst, burstMs } = await measureCost(size);
    aimAt(`at most ${size - 1} pushes per write with ${size} nodes`, single.pushes <= size - 1);
    rows.push([size, single.pushes.toFixed(2), size - 1, single.others.toFixed(2), Math.round(single.bytes), burst.pushes.toFixed(2), Math.round(burst.bytes), Math.round((BURST * 1_000) / burstMs)]);
  }
  process.stdout.write(`traffic between nodes: first for one write after another, then for many simultaneous writes on one node\n${table(rows)}\n`);
}
