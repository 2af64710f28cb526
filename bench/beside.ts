/**
 * The last part of `npm run bench:requests`: how much one caller that gets large answers slows down 16 other callers. It measures derives
 * in three cases: without another caller, with a caller that lists 50,000 keys again and again, and with a caller that reads a 1 MiB value
 * again and again. Each case runs on a node and on the floor server (`floor.ts`, a minimal server for comparison), alternately. Both
 * servers share the enclave and the processors, so derives on the floor server become slower too. The node may slow down a little more than
 * the floor server (`P99_RISE_AIM`). The benchmark also measures how long the node's event loop is blocked.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import { startCluster, type Cluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { aimAt } from './aims.ts';
import { connectBenchApp, drawKeys, registerBenchApp, WIDE_LIMITS } from './bench-app.ts';
import { BigAnswers } from './big-answers.ts';
import { EventLoopRecord, MEASURED } from './event-loop-record.ts';
import { FillingMember } from './filling-member.ts';
import { startFloor } from './floor-process.ts';
import { median, percentile, table } from './statistics.ts';
import { HEAD, measure, row, warmUp, type Ask, type Figures, type Turns, type Work } from './works.ts';

const APP_ID = 2_010;
const KEYS = 50_000;
const VALUE_BYTES = 100;
const CALLERS = 16;
const BIG_KEY = 'big';
const BIG_BYTES = 1_048_576;
/** How long the node's event loop may be blocked at a time while one caller lists keys. Milliseconds. */
const BLOCK_AIM_MS = 20;
/**
 * The p99 of derives rises while another caller gets large answers. It also rises on the floor server, because the node and the floor
 * server share the machine and the enclave. This is the maximum allowed ratio of the rise on the node to the rise on the floor server.
 */
const P99_RISE_AIM = 1.25;
const WARM_UP_DERIVES = 1_000;
const WARM_UP_ANSWERS = 30;
const READY_TIMEOUT_MS = 90_000;

export async function besideLargeAnswers(turns: Turns): Promise<void> {
  const secret = randomBytes(32).toString('hex');
  const filler = new FillingMember(secret);
  const blocks = new EventLoopRecord();
  const cluster = await startCluster({
    nodes: 1,
    environment: { ...WIDE_LIMITS, ...MEASURED, MASTER_SECRET_HEX: secret },
    prepare: async ({ chain }) => chain.register({ wallet: filler.wallet, teePubkey: filler.teePubkey, url: filler.url }),
    onLine: (line) => blocks.take(line),
  });
  try {
    await cluster.node(1).waitForState('ready', READY_TIMEOUT_MS);
    await measureBeside({ cluster, node: cluster.node(1), blocks, filler, secret }, turns);
  } finally {
    await filler.close();
    await cluster.close();
  }
}

interface BesideModules {
  readonly cluster: Cluster;
  /** The node with the event-loop probe. */
  readonly node: ClusterNode;
  readonly blocks: EventLoopRecord;
  readonly filler: FillingMember;
  /** The master secret in hex. */
  readonly secret: string;
}

async function measureBeside({ cluster, node, blocks, filler, secret }: BesideModules, turns: Turns): Promise<void> {
  const keys = drawKeys();
  const toNode = connectBenchApp(cluster, keys);
  await registerBenchApp(cluster, toNode, APP_ID);
  const to = { node: node.wallet };
  await toNode.derive({ path: 'bench' }, to);
  await filler.fill(node, filler.records(APP_ID, KEYS, VALUE_BYTES));
  const caller = { ...(await toNode.identity()), appId: APP_ID };
  const floor = await startFloor({ node, secret, caller, keys: { count: KEYS, valueBytes: VALUE_BYTES } });
  const toFloor = connectBenchApp(cluster, keys, { reroute: new Map([[new URL(node.url).origin, floor.url]]) });
  try {
    const big = randomBytes(BIG_BYTES);
    for (const client of [toNode, toFloor]) await client.put({ key: BIG_KEY, value: big }, to);
    const derive: Ask = (client) => client.derive({ path: 'bench' }, to);
    const worksOf = (suffix: string, url: string, rest: Pick<Work, 'client' | 'pid'>): { readonly works: readonly Work[]; readonly large: readonly BigAnswers[] } => {
      const lists = new BigAnswers({ url, wallet: node.wallet, path: '/kms/data', keys });
      const values = new BigAnswers({ url, wallet: node.wallet, path: `/kms/data?key=${BIG_KEY}`, keys });
      const common = { ...rest, size: KEYS, callers: CALLERS, ask: derive };
      const works: readonly Work[] = [
        { ...common, name: `derive${suffix}` },
        { ...common, name: `derive during lists${suffix}`, beside: lists.begin },
        { ...common, name: `derive during gets of 1 MiB${suffix}`, beside: values.begin },
        { ...common, name: `list${suffix}`, callers: 1, ask: () => lists.ask() },
        { ...common, name: `get of 1 MiB${suffix}`, callers: 1, ask: () => values.ask() },
      ];
      return { works, large: [lists, values] };
    };
    const ours = worksOf('', node.localUrl, { client: toNode, pid: node.pid! });
    const floors = worksOf(', floor', floor.url, { client: toFloor, pid: floor.pid });
    // Each workload is measured on the node, and directly afterwards on the floor server.
    const works = ours.works.flatMap((work, place) => [work, floors.works[place]!]);
    await warmUp(works, WARM_UP_DERIVES);
    for (const large of [...ours.large, ...floors.large]) for (let count = 0; count < WARM_UP_ANSWERS; count += 1) await large.ask();
    const figures = await measure(works, turns);
    const ownMs = ({ turnsMs }: Figures): readonly number[] => turnsMs.map(([fromMs, toMs]) => blocks.between(node.name, fromMs, toMs).ownMs);
    const blockOf = (work: Work, place: number): string => (work.pid === node.pid ? median(ownMs(figures[place]!)).toFixed(1) : '-');
    process.stdout.write(`\n${table([[...HEAD, 'longest block ms, median of turns'], ...works.map((work, place) => [...row(work, figures[place]!), blockOf(work, place)])])}\n`);
    const p99 = (name: string): number => percentile(figures[works.findIndex((work) => work.name === name)]!.latenciesMs, 99);
    for (const name of ['derive during lists', 'derive during gets of 1 MiB']) {
      const [rise, floorRise] = [p99(name) / p99('derive'), p99(`${name}, floor`) / p99('derive, floor')];
      process.stdout.write(`${name}, ${CALLERS} callers: p99 is ${rise.toFixed(2)} times the p99 of derives alone; on the floor server, ${floorRise.toFixed(2)} times\n`);
      aimAt(`p99 of ${name} rises at most ${P99_RISE_AIM} times as much as on the floor server`, rise <= P99_RISE_AIM * floorRise);
    }
    const listBlocks = ownMs(figures[works.findIndex(({ name }) => name === 'list')]!);
    process.stdout.write(`longest block of the event loop while one caller lists ${KEYS} keys: ${median(listBlocks).toFixed(1)} ms (median of turns); aim: at most ${BLOCK_AIM_MS} ms\n`);
    aimAt(`a list of ${KEYS} keys blocks the event loop for at most ${BLOCK_AIM_MS} ms`, median(listBlocks) <= BLOCK_AIM_MS);
  } finally {
    await Promise.all([toNode.close(), toFloor.close()]);
    await floor.close();
  }
}
