/**
 * `npm run bench:observed`: how much observation adds to the cost of a derive. Observation means metrics that are scraped each second, and
 * the audit log.
 *
 * Two nodes with the same settings differ by more than the allowed cost of observation, even in one process. So the benchmark uses one node
 * (`switched-node.ts`), and switches its observation on and off while the callers never pause. Each switch begins a segment, in which the
 * CPU time of a fixed number of requests is measured. Segments are so short that other load on the machine affects neighbouring segments
 * equally. Twelve segments form a cycle, in the order off, on, on, off. Each cycle has two results: the difference between its segments
 * with observation and those without it, and the difference between two halves of its segments without it. The second result shows the
 * error of the measurement. The results are printed as shares of the CPU time that a derive takes on the floor server (`floor.ts`, a
 * minimal server for comparison), which is measured before and after the cycles.
 *
 * `--cycles N` sets the number of cycles.
 */
import { createHash, randomBytes } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { aimAt } from './aims.ts';
import { connectBenchApp, drawKeys, registerBenchApp, TRUSTING } from './bench-app.ts';
import { startFloor } from './floor-process.ts';
import { exactCpuMs } from './process-figures.ts';
import { median } from './statistics.ts';
import { SteadyLoad } from './steady-load.ts';
import { measure, warmUp, type Work } from './works.ts';

/** Maximum allowed cost of observation for a derive, as a share of the CPU time of a derive on the floor server. */
const AIM = 0.05;
const CALLERS = 16;
/** Off and on, in an order that is the same forwards and backwards. */
const CYCLE = [false, true, true, false, false, true, true, false, false, true, true, false];
const SEGMENT_REQUESTS = 200;
/** After a switch, this many answers are not measured, because their requests may have begun before it. */
const SETTLING_REQUESTS = 2 * CALLERS;
const FLOOR_TURNS = 9;
const FLOOR_TURN_MS = 500;
const APP_ID = 2_000;
const SCRAPE_EVERY_MS = 1_000;
const { values: options } = parseArgs({ options: { cycles: { type: 'string', default: '60' } } });
const cycles = Number(options.cycles);
const token = randomBytes(24).toString('base64url');
const tokenHash = createHash('sha256').update(token).digest('hex');
const secret = randomBytes(32).toString('hex');

const cluster = await startCluster({
  nodes: 1,
  tickSeconds: 60,
  nodeProgram: 'bench/switched-node.ts',
  environment: { ...TRUSTING, MASTER_SECRET_HEX: secret, DATA_SYNC_INTERVAL_SECONDS: '60', METRICS_TOKEN_SHA256: tokenHash, AUDIT_TOKEN_SHA256: tokenHash },
});
try {
  await compare(cluster.nodes[0]!);
} finally {
  await cluster.close();
}

async function compare(node: ClusterNode): Promise<void> {
  const keys = drawKeys();
  const client = connectBenchApp(cluster, keys);
  await registerBenchApp(cluster, client, APP_ID);
  const floor = await startFloor({ node, secret, caller: { ...(await client.identity()), appId: APP_ID } });
  const toFloor = connectBenchApp(cluster, keys, { reroute: new Map([[new URL(node.url).origin, floor.url]]) });
  const derive: Work = { name: 'derive', size: null, client, callers: CALLERS, ask: (asked) => asked.derive({ path: 'bench' }), pid: node.pid! };
  const floorWork: Work = { ...derive, client: toFloor, pid: floor.pid };
  const measureFloor = async () => (await measure([floorWork], { turns: FLOOR_TURNS, turnMs: FLOOR_TURN_MS }))[0]!.cpuMs;
  try {
    await warmUp([derive, floorWork]);
    const floorBefore = await measureFloor();
    const found = await measureCycles(node, () => client.derive({ path: 'bench' }));
    const floorMs = median([...floorBefore, ...(await measureFloor())]);
    const equal = differenceOf(found.map(({ offMs }) => meanOf(offMs.slice(3)) - meanOf(offMs.slice(0, 3))), floorMs);
    const more = differenceOf(found.map(({ onMs, offMs }) => meanOf(onMs) - meanOf(offMs)), floorMs);
    const without = meanOf(found.map(({ offMs }) => meanOf(offMs))) / floorMs;
    process.stdout.write(`${cycles} cycles of ${CYCLE.length} segments of ${SEGMENT_REQUESTS} derives, ${CALLERS} callers; CPU of a derive as a share of the floor's\n`);
    process.stdout.write(`without observation: ${without.toFixed(3)}\n`);
    process.stdout.write(`late segments without observation, compared with early ones: ${equal.mean.toFixed(3)} ± ${equal.error.toFixed(3)}\n`);
    process.stdout.write(`segments with observation, compared with those without: ${more.mean.toFixed(3)} ± ${more.error.toFixed(3)}, aim ${AIM}\n`);
    aimAt(`observation adds at most ${AIM} of the floor's CPU to a derive`, more.mean <= AIM);
    aimAt(`the figures are exact enough to judge; if not, use more cycles or a less busy machine`, Math.abs(AIM - more.mean) > more.error);
  } finally {
    await Promise.all([client.close(), toFloor.close(), floor.close()]);
  }
}

/** The CPU time per request in each segment of one cycle, in order: with observation and without it. Milliseconds. */
interface Cycle {
  readonly onMs: readonly number[];
  readonly offMs: readonly number[];
}

async function measureCycles(node: ClusterNode, ask: () => Promise<unknown>): Promise<readonly Cycle[]> {
  const load = new SteadyLoad(CALLERS, ask);
  const scrapeIfDue = eachSecondOf(node);
  const found: Cycle[] = [];
  while (found.length < cycles) {
    const onMs: number[] = [];
    const offMs: number[] = [];
    for (const on of CYCLE) {
      process.kill(node.pid!, on ? 'SIGUSR2' : 'SIGHUP');
      await load.answered(SETTLING_REQUESTS);
      const startedMs = performance.now();
      const cpuBeforeMs = exactCpuMs(node.pid!);
      const [answered] = await Promise.all([load.answered(SEGMENT_REQUESTS), on ? scrapeIfDue.begin() : undefined]);
      (on ? onMs : offMs).push((exactCpuMs(node.pid!) - cpuBeforeMs) / answered);
      if (on) scrapeIfDue.passed(performance.now() - startedMs);
    }
    found.push({ onMs, offMs });
  }
  await load.end();
  return found;
}

interface Difference {
  readonly mean: number;
  /** Two standard errors of the mean. */
  readonly error: number;
}

/** @param differencesMs one difference for each cycle */
function differenceOf(differencesMs: readonly number[], floorMs: number): Difference {
  const mean = meanOf(differencesMs);
  const variance = differencesMs.reduce((sum, difference) => sum + (difference - mean) ** 2, 0) / (differencesMs.length - 1);
  return { mean: mean / floorMs, error: (2 * Math.sqrt(variance / differencesMs.length)) / floorMs };
}

function meanOf(figures: readonly number[]): number {
  return figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
}

/** Scrapes the metrics once for each second of observation. */
function eachSecondOf(node: ClusterNode) {
  let sinceMs = SCRAPE_EVERY_MS;
  return {
    begin: async () => {
      if (sinceMs < SCRAPE_EVERY_MS) return;
      sinceMs = 0;
      await scrape(node);
    },
    passed: (ms: number) => {
      sinceMs += ms;
    },
  };
}

async function scrape(node: ClusterNode): Promise<void> {
  const answer = await fetch(`${node.localUrl}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  await answer.text();
  if (answer.status !== 200) throw new Error(`the request for the metrics was answered with status ${answer.status}`);
}
