/**
 * `npm run bench:observed`: how much observation adds to the cost of a derive. Observation means metrics that are scraped each second, and
 * the audit log.
 *
 * The costs of two nodes with the same settings differ by more than observation may cost, even in one process. So the benchmark uses one
 * node (`switched-node.ts`), and switches its observation on and off while the callers never pause. Each switch begins a segment, in which
 * the CPU time of a fixed number of requests is measured. Segments are so short that other load on the machine affects neighbouring
 * segments equally. Four segments in the order off, on, on, off give one result: the difference between those with observation and those
 * without it.
 *
 * A segment in which the runtime collects the whole heap costs many times more than its neighbours. So the mean of the results leaves out
 * the lowest and the highest quarter (an interquartile mean), as do all other means here.
 *
 * The metrics are scraped less often than once in a segment, so the cost of a scrape is measured on its own: as the difference between
 * segments with a scrape and segments without one, all with observation. A derive bears its share of one scrape each second.
 *
 * The costs are printed as shares of the CPU time that a derive takes on the floor server (`floor.ts`, a minimal server for comparison),
 * which is measured before and after. The difference between the two segments without observation shows the error of the measurement.
 *
 * `--groups N` sets the number of groups of four segments.
 */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { aimAt } from './aims.ts';
import { connectBenchApp, drawKeys, registerBenchApp, WIDE_LIMITS } from './bench-app.ts';
import { startFloor } from './floor-process.ts';
import { Observation } from './observation.ts';
import { exactCpuMs } from './process-figures.ts';
import { median } from './statistics.ts';
import { SteadyLoad } from './steady-load.ts';
import { measure, warmUp, type Work } from './works.ts';

/** Maximum allowed cost of observation for a derive, as a share of the CPU time of a derive on the floor server. */
const AIM = 0.05;
const CALLERS = 16;
const SEGMENT_REQUESTS = 100;
/** After a switch, this many answers are not measured, because their requests may have begun before it. */
const SETTLING_REQUESTS = 2 * CALLERS;
const FLOOR_TURNS = 9;
const FLOOR_TURN_MS = 500;
const APP_ID = 2_000;
/** After this many groups that measure observation, one group measures scrapes. */
const GROUPS_PER_SCRAPE_GROUP = 4;
const { values: options } = parseArgs({ options: { groups: { type: 'string', default: '600' } } });
const groups = Number(options.groups);
const observation = new Observation();
const secret = randomBytes(32).toString('hex');

const cluster = await startCluster({
  nodes: 1,
  tickSeconds: 60,
  nodeProgram: observation.nodeProgram,
  environment: { ...WIDE_LIMITS, MASTER_SECRET_HEX: secret, DATA_SYNC_INTERVAL_SECONDS: '60', ...observation.environment },
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
    const found = await measureGroups(node, () => client.derive({ path: 'bench' }));
    const floorMs = median([...floorBefore, ...(await measureFloor())]);
    const shares = (costsMs: readonly number[]): Estimate => interquartileMean(costsMs.map((costMs) => costMs / floorMs));
    const events = shares(found.observed.map(({ withMs, withoutMs }) => meanOf(withMs) - meanOf(withoutMs)));
    const late = shares(found.observed.map(({ withoutMs: [early, late] }) => late! - early!));
    const base = shares(found.observed.flatMap(({ withoutMs }) => withoutMs));
    const scrapes = shares(found.scraped.map(({ withMs, withoutMs }) => ((meanOf(withMs) - meanOf(withoutMs)) * SEGMENT_REQUESTS) / found.derivesPerSecond));
    const more = { mean: events.mean + scrapes.mean, error: Math.hypot(events.error, scrapes.error) };
    const line = (what: string, { mean, error }: Estimate): void => void process.stdout.write(`${what}: ${mean.toFixed(3)} ± ${error.toFixed(3)}\n`);
    process.stdout.write(`${groups} groups of four segments of ${SEGMENT_REQUESTS} derives, ${CALLERS} callers, ${Math.round(found.derivesPerSecond)} derives a second; CPU of a derive as a share of the floor's (${floorMs.toFixed(3)} ms)\n`);
    line('without observation', base);
    line('late segments without observation, compared with early ones', late);
    line('metrics of events, and the audit log', events);
    line('one scrape of the metrics each second', scrapes);
    line(`all observation together (aim: at most ${AIM})`, more);
    aimAt(`observation adds at most ${AIM} of the floor's CPU to a derive`, more.mean <= AIM);
    aimAt('the figures are exact enough to judge; if not, use more groups or a less busy machine', Math.abs(AIM - more.mean) > more.error);
  } finally {
    await Promise.all([client.close(), toFloor.close(), floor.close()]);
  }
}

/**
 * The CPU time per derive in the segments of one group: those with the measured thing (observation or a scrape), and those without.
 * Milliseconds.
 */
interface Group {
  readonly withMs: readonly number[];
  readonly withoutMs: readonly number[];
}

interface Found {
  /** Groups that compare observation without scrapes to no observation. */
  readonly observed: readonly Group[];
  /** Groups that compare segments with one scrape to segments without a scrape. Observation is on in all of them. */
  readonly scraped: readonly Group[];
  readonly derivesPerSecond: number;
}

async function measureGroups(node: ClusterNode, ask: () => Promise<unknown>): Promise<Found> {
  const load = new SteadyLoad(CALLERS, ask);
  const found = { observed: new Array<Group>(), scraped: new Array<Group>() };
  const startedMs = performance.now();
  let derives = 0;
  const segmentMs = async (observing: boolean, scraping: boolean): Promise<number> => {
    process.kill(node.pid!, observing ? 'SIGUSR2' : 'SIGHUP');
    derives += await load.answered(SETTLING_REQUESTS);
    const cpuBeforeMs = exactCpuMs(node.pid!);
    const [answered] = await Promise.all([load.answered(SEGMENT_REQUESTS), scraping ? observation.scrape(node) : undefined]);
    derives += answered;
    return (exactCpuMs(node.pid!) - cpuBeforeMs) / answered;
  };
  const group = async (measureOne: (inQuestion: boolean) => Promise<number>): Promise<Group> => {
    const first = await measureOne(false);
    const withMs = [await measureOne(true), await measureOne(true)];
    return { withMs, withoutMs: [first, await measureOne(false)] };
  };
  while (found.observed.length < groups) {
    found.observed.push(await group((observing) => segmentMs(observing, false)));
    if (found.observed.length % GROUPS_PER_SCRAPE_GROUP === 0) found.scraped.push(await group((scraping) => segmentMs(true, scraping)));
  }
  const derivesPerSecond = derives / ((performance.now() - startedMs) / 1_000);
  await load.end();
  return { ...found, derivesPerSecond };
}

interface Estimate {
  readonly mean: number;
  /** Two standard errors of the mean. */
  readonly error: number;
}

/**
 * The mean of the middle half. Its standard error comes from the variance of the figures after the lowest and the highest quarter are
 * replaced by the nearest figure of the middle half (Tukey and McLaughlin 1963).
 */
function interquartileMean(figures: readonly number[]): Estimate {
  const sorted = [...figures].sort((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const middle = sorted.slice(cut, sorted.length - cut);
  const replaced = sorted.map((figure) => Math.min(Math.max(figure, middle[0]!), middle.at(-1)!));
  const centre = meanOf(replaced);
  const variance = replaced.reduce((sum, figure) => sum + (figure - centre) ** 2, 0) / (replaced.length - 1);
  return { mean: meanOf(middle), error: (2 * Math.sqrt(variance / replaced.length)) / (middle.length / sorted.length) };
}

function meanOf(figures: readonly number[]): number {
  return figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
}
