/**
 * `npm run bench:observed`: how much observation adds to the cost of a derive. Observation means metrics that are scraped each second, and
 * the audit.
 *
 * The costs of two node processes differ by more than the allowed cost of observation. So three nodes share one process
 * (`nodes-together.ts`): one is observed and two are not. They take turns in an order that is the same forwards and backwards, with the
 * floor (`floor.ts`) in the middle. Turns are so short that other load on the machine affects all of them equally. Many rounds of turns
 * form a block. Each block has two results: the difference between the observed node and the mean of the other two nodes, and the
 * difference between these two nodes. The second result shows the error of the measurement, because these two nodes are equal.
 *
 * `--blocks N` sets the number of blocks.
 */
import { createHash, randomBytes } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { waitUntil } from '../src/dev/waiting.ts';
import { aimAt } from './aims.ts';
import { connectBenchApp, drawKeys, registerBenchApp, TRUSTING } from './bench-app.ts';
import { startFloor } from './floor-process.ts';
import { median, percentile } from './statistics.ts';
import { measure, warmUp, type Work } from './works.ts';

/** Maximum allowed cost of observation for a derive, as a share of the floor. */
const AIM = 0.05;
const CALLERS = 16;
const TURN_MS = 100;
const ROUNDS_A_BLOCK = 15;
const APP_ID = 2_000;
const LIMIT_MS = 90_000;
/** Enough to warm up a node once another node has warmed up the code. */
const FEW_DERIVES = 500;
const SCRAPE_EVERY_MS = 1_000;
/**
 * For a normal distribution: the ratio of the standard deviation to the interquartile range, and the ratio of the error of the median to
 * the error of the mean.
 */
const DEVIATION_OF_QUARTILES = 0.741;
const ERROR_OF_MEDIAN = 1.253;

const { values: options } = parseArgs({ options: { blocks: { type: 'string', default: '9' } } });
const blocks = Number(options.blocks);
const token = randomBytes(24).toString('base64url');
const tokenHash = createHash('sha256').update(token).digest('hex');
const secret = randomBytes(32).toString('hex');

const cluster = await startCluster({
  nodes: 3,
  start: false,
  tickSeconds: 60,
  nodeProgram: 'bench/nodes-together.ts',
  environment: { ...TRUSTING, MASTER_SECRET_HEX: secret, DATA_SYNC_INTERVAL_SECONDS: '60' },
});
try {
  const [plain, observed, alsoPlain] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  await plain.start({
    OTHER_NODES: JSON.stringify([
      { ...addressOf(observed), METRICS_TOKEN_SHA256: tokenHash, AUDIT_TOKEN_SHA256: tokenHash },
      addressOf(alsoPlain),
    ]),
  });
  for (const node of cluster.nodes) await untilReady(node);
  await compare(plain, observed, alsoPlain);
} finally {
  await cluster.close();
}

async function compare(plain: ClusterNode, observed: ClusterNode, alsoPlain: ClusterNode): Promise<void> {
  const keys = drawKeys();
  const client = connectBenchApp(cluster, keys);
  await registerBenchApp(cluster, client, APP_ID);
  const floor = await startFloor({ node: plain, secret, caller: { ...(await client.identity()), appId: APP_ID } });
  const toFloor = connectBenchApp(cluster, keys, { reroute: new Map([[new URL(plain.url).origin, floor.url]]) });
  const work = (node: ClusterNode, more: Partial<Work> = {}): Work => ({
    name: 'derive',
    size: null,
    client,
    callers: CALLERS,
    ask: (asked) => asked.derive({ path: 'bench' }, { node: node.wallet }),
    pid: plain.pid!,
    ...more,
  });
  try {
    const observedWork = work(observed, { beside: eachSecondOf(observed) });
    const floorWork = work(plain, { client: toFloor, pid: floor.pid });
    await warmUp([work(plain), floorWork]);
    // The first warm-up has compiled the code of all three nodes.
    for (const node of [observed, alsoPlain]) await warmUp([work(node)], FEW_DERIVES);
    const works = [work(plain), observedWork, work(alsoPlain), floorWork, work(alsoPlain), observedWork, work(plain)];
    const figures = await measure(works, { turns: blocks * ROUNDS_A_BLOCK, turnMs: TURN_MS });
    const [first, second, third, floors, fourth, fifth, sixth] = figures.map(({ cpuMs }) => byBlock(cpuMs)) as [Row, Row, Row, Row, Row, Row, Row];
    const floorMs = median(floors);
    const plainShares = meansOf(first, sixth, floorMs);
    const alsoPlainShares = meansOf(third, fourth, floorMs);
    const observedShares = meansOf(second, fifth, floorMs);
    const equal = differenceOf(alsoPlainShares, plainShares);
    const more = differenceOf(observedShares, meansOf(plainShares, alsoPlainShares, 1));
    process.stdout.write(`${blocks} blocks of ${ROUNDS_A_BLOCK} rounds of seven turns of ${TURN_MS} ms, ${CALLERS} callers; CPU of a derive as a share of the floor's\n`);
    process.stdout.write(`a node that is not observed: ${median(plainShares).toFixed(3)}\n`);
    process.stdout.write(`extra CPU of a second node that is not observed: ${equal.median.toFixed(3)} ± ${equal.error.toFixed(3)}\n`);
    process.stdout.write(`extra CPU of the observed node: ${more.median.toFixed(3)} ± ${more.error.toFixed(3)}, aim ${AIM}\n`);
    aimAt(`observation adds at most ${AIM} of the floor's CPU to a derive`, more.median <= AIM);
    aimAt(`the figures are exact enough to judge; if not, use more blocks or a less busy machine`, Math.abs(AIM - more.median) > more.error);
  } finally {
    await Promise.all([client.close(), toFloor.close(), floor.close()]);
  }
}

type Row = readonly number[];

interface Difference {
  readonly median: number;
  /** Two standard errors of the median. */
  readonly error: number;
}

/** The mean of each block. Only a few turns of a block contain a scrape, and a median would ignore these turns. */
function byBlock(figures: Row): Row {
  return Array.from({ length: blocks }, (_, block) => figures.slice(block * ROUNDS_A_BLOCK, (block + 1) * ROUNDS_A_BLOCK).reduce((sum, figure) => sum + figure, 0) / ROUNDS_A_BLOCK);
}

/** For each block, the mean of two figures, as a share of the floor. */
function meansOf(one: Row, other: Row, floor: number): Row {
  return one.map((figure, block) => (figure + other[block]!) / (2 * floor));
}

/** Compares block by block, because other load on the machine affects both workloads of a block equally. */
function differenceOf(one: Row, other: Row): Difference {
  const differences = one.map((share, block) => share - other[block]!);
  const quartiles = percentile(differences, 75) - percentile(differences, 25);
  return { median: median(differences), error: (2 * ERROR_OF_MEDIAN * DEVIATION_OF_QUARTILES * quartiles) / Math.sqrt(differences.length) };
}

function addressOf({ port, enclave }: ClusterNode): Readonly<Record<string, string>> {
  return { BIND_ADDR: `127.0.0.1:${port}`, ODYN_URL: enclave.url };
}

/** Waits for a node, which may share a process with another node. */
async function untilReady(node: ClusterNode): Promise<void> {
  await waitUntil({ what: `${node.name} becoming ready`, timeoutMs: LIMIT_MS }, async () => {
    const readiness = (await node.tryStatus())?.readiness;
    return readiness?.state === 'ready' ? null : (readiness?.reason ?? 'no answer to GET /status');
  });
}

/**
 * Scrapes the metrics during turns, once for each second of turns. @returns a function that begins a turn and returns a function that ends
 * it
 */
function eachSecondOf(node: ClusterNode): () => () => Promise<void> {
  let sinceMs = SCRAPE_EVERY_MS;
  return () => {
    sinceMs += TURN_MS;
    if (sinceMs < SCRAPE_EVERY_MS) return async () => undefined;
    sinceMs = 0;
    const scraping = scrape(node);
    return async () => scraping;
  };
}

async function scrape(node: ClusterNode): Promise<void> {
  const answer = await fetch(`${node.localUrl}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  await answer.text();
  if (answer.status !== 200) throw new Error(`the request for the metrics was answered with status ${answer.status}`);
}
