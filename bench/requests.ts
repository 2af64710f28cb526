/**
 * `npm run bench:requests`: measures what requests from apps to one node cost. The cost includes the nonce, the caller's signature, the
 * registry, both envelopes, and the caller's work in this process. The benchmark compares derives with the floor, which is the least that
 * they can cost in Node.js (`floor.ts`), with the same callers and the same enclave. It also measures gets and puts in namespaces of three
 * sizes, and lists of the largest namespace. Each workload of the node is measured a second time while the node is observed: with its audit
 * log and with metrics that are scraped (`observation.ts`). All workloads take turns, so that other load on the machine affects them equally. If there is
 * much other load, compare the processor time of the process that answers.
 *
 * `--turns N` and `--seconds S` set the number of turns and their length. `--only PART` runs only that part: `derive`, `data` or `beside`.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { KmsClient } from '../src/client/kms-client.ts';
import { startCluster, type Cluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { aimAt } from './aims.ts';
import { connectBenchApp, drawKeys, registerBenchApp, WIDE_LIMITS } from './bench-app.ts';
import { besideLargeAnswers } from './beside.ts';
import { FillingMember } from './filling-member.ts';
import { Observation } from './observation.ts';
import { startFloor, type Floor } from './floor-process.ts';
import { residentMiB } from './process-figures.ts';
import { median, table } from './statistics.ts';
import { HEAD, measure, medianRatio, row, warmUp, type Ask, type Figures, type Turns, type Work } from './works.ts';

const SIZES = [100, 10_000, 50_000];
const VALUE_BYTES = 100;
const CALLERS = [16, 1];
const DATA_CALLERS = 16;
const LIMIT_MS = 90_000;
/** Limits for the ratio of the node to the floor, by number of callers: a maximum for CPU and p50, a minimum for requests per second. */
const FLOOR_AIMS: Readonly<Record<number, { readonly cpu: number; readonly perSecond?: number; readonly p50?: number }>> = {
  16: { cpu: 1.25, perSecond: 0.95 },
  1: { cpu: 1.3, p50: 1.15 },
};
/** Maximum allowed ratio of the CPU time of a get or put at any size to the CPU time at the smallest size. */
const SIZE_AIM = 1.1;
/** Sizes that are also measured on the floor server. */
const FLOOR_SIZES = [100, 50_000];
/**
 * Maximum allowed CPU time of a list of the largest size, expressed as a number of derives on the floor server: 27 derives of 0.59 ms take
 * 16 ms.
 */
const LIST_AIM_DERIVES = 27;
const WARM_UP_LISTS = 20;
const FLOOR_APP_ID = 2_000;
const FIRST_APP_ID = 2_001;

const { values: options } = parseArgs({ options: { turns: { type: 'string', default: '9' }, seconds: { type: 'string', default: '2' }, only: { type: 'string' } } });
const turns = Number(options.turns);
const runs = (part: 'derive' | 'data' | 'beside'): boolean => options.only === undefined || options.only === part;
const withTurns: Turns = { turns, turnMs: 1_000 * Number(options.seconds) };

interface Measured {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly secretHex: string;
  readonly observation: Observation;
}

/** The workloads of the node once more, while it is observed. */
function whileObserved(works: readonly Work[], node: ClusterNode, observation: Observation): readonly Work[] {
  const ofNode = works.filter(({ pid }) => pid === node.pid);
  return ofNode.map((work) => ({ ...work, name: `${work.name}, observed`, beside: () => observation.switchOn(node) }));
}

async function againstFloor({ cluster, node, secretHex, observation }: Measured): Promise<void> {
  const keys = drawKeys();
  const toNode = connectBenchApp(cluster, keys);
  await registerBenchApp(cluster, toNode, FLOOR_APP_ID);
  const floor = await startFloor({ node, secret: secretHex, caller: { ...(await toNode.identity()), appId: FLOOR_APP_ID } });
  const toFloor = connectBenchApp(cluster, keys, { reroute: new Map([[new URL(node.url).origin, floor.url]]) });
  const withNext = connectBenchApp(cluster, keys, { nonces: 'next' });
  try {
    const ask: Ask = (client) => client.derive({ path: 'bench' }, { node: node.wallet });
    const [ours, least] = await Promise.all([toNode, toFloor].map((client) => client.derive({ path: 'equal' }, { node: node.wallet })));
    if (Buffer.compare(ours!.key, least!.key) !== 0) throw new Error('the floor server and the node derive different keys');
    const works = CALLERS.flatMap((callers): Work[] => [
      { name: 'derive', size: null, client: toNode, callers, ask, pid: node.pid! },
      { name: 'derive, floor', size: null, client: toFloor, callers, ask, pid: floor.pid },
    ]);
    works.push({ name: 'derive, next nonces', size: null, client: withNext, callers: CALLERS[0]!, ask, pid: node.pid! });
    const [fetched, floor16, next] = [0, 1, works.length - 1];
    works.push(...whileObserved(works, node, observation));
    await warmUp(works);
    const figures = await measure(works, withTurns);
    process.stdout.write(`${table([HEAD, ...works.map((work, place) => row(work, figures[place]!))])}\n`);
    for (const [place, callers] of CALLERS.entries()) {
      const [nodes, floors] = [figures[2 * place]!, figures[2 * place + 1]!];
      const [cpu, perSecond] = [medianRatio(nodes.cpuMs, floors.cpuMs), medianRatio(nodes.perSecond, floors.perSecond)];
      const p50 = median(nodes.latenciesMs) / median(floors.latenciesMs);
      process.stdout.write(`ratio of the node to the floor server, ${callers} callers: CPU: ${cpu.toFixed(2)}, requests a second: ${perSecond.toFixed(2)}, p50: ${p50.toFixed(2)}\n`);
      const aim = FLOOR_AIMS[callers]!;
      aimAt(`with ${callers} callers, a derive takes at most ${aim.cpu} times the floor's CPU`, cpu <= aim.cpu);
      if (aim.perSecond !== undefined) aimAt(`with ${callers} callers, derives per second are at least ${aim.perSecond} times the floor's`, perSecond >= aim.perSecond);
      if (aim.p50 !== undefined) aimAt(`with ${callers} callers, p50 is at most ${aim.p50} times the floor's`, p50 <= aim.p50);
    }
    const nextCpu = medianRatio(figures[next]!.cpuMs, figures[floor16]!.cpuMs);
    process.stdout.write(`CPU of the node with next nonces, as a share of that of the floor without them, ${CALLERS[0]} callers: ${nextCpu.toFixed(2)}; aim: below 1\n`);
    aimAt('a derive with a next nonce takes less CPU than the floor without one', nextCpu < 1);
    const faster = medianRatio(figures[next]!.perSecond, figures[fetched]!.perSecond);
    process.stdout.write(`requests a second with next nonces, divided by those with a GET /nonce before each derive, ${CALLERS[0]} callers: ${faster.toFixed(2)}\n`);
  } finally {
    await Promise.all([toNode.close(), toFloor.close(), withNext.close(), floor.close()]);
  }
}

interface Sized {
  readonly size: number;
  readonly client: KmsClient;
  readonly pid: number;
}

const atSize = (works: readonly Work[], figures: readonly Figures[], name: string, size: number): Figures => figures[works.findIndex((work) => work.name === name && work.size === size)]!;

async function bySize({ cluster, node, secretHex, observation }: Measured, filler: FillingMember): Promise<void> {
  const apps = SIZES.map((size, place) => ({ size, appId: FIRST_APP_ID + place, keys: drawKeys() }));
  const clients = apps.map(({ keys }) => connectBenchApp(cluster, keys));
  for (const [place, { appId }] of apps.entries()) await registerBenchApp(cluster, clients[place]!, appId);
  const to = { node: node.wallet };
  for (const client of clients) await client.derive({ path: 'bench' }, to);
  const idleMiB = residentMiB(node.pid!);
  for (const { size, appId } of apps) await filler.fill(node, filler.records(appId, size, VALUE_BYTES));
  const filledMiB = residentMiB(node.pid!);
  const ours: Sized[] = apps.map(({ size }, place) => ({ size, client: clients[place]!, pid: node.pid! }));
  const floors: Floor[] = [];
  const floored: Sized[] = [];
  for (const [place, { size, appId, keys }] of apps.entries()) {
    if (!FLOOR_SIZES.includes(size)) continue;
    const floor = await startFloor({ node, secret: secretHex, caller: { ...(await clients[place]!.identity()), appId }, keys: { count: size, valueBytes: VALUE_BYTES } });
    floors.push(floor);
    floored.push({ size, client: connectBenchApp(cluster, keys, { reroute: new Map([[new URL(node.url).origin, floor.url]]) }), pid: floor.pid });
  }
  try {
    const get: Ask = (client, key) => client.get(key, to);
    const put: Ask = (client, key) => client.put({ key, value: randomBytes(VALUE_BYTES) }, to);
    const list: Ask = (client) => client.list({}, to);
    const each = (name: string, ask: Ask, of: readonly Sized[]): Work[] => of.map((sized) => ({ ...sized, name, ask, callers: DATA_CALLERS }));
    const works: Work[] = [
      ...each('get', get, ours),
      ...each('get, floor', get, floored),
      ...each('put', put, ours),
      ...each('put, floor', put, floored),
      { ...ours.at(-1)!, name: 'list', callers: 1, ask: list },
      { ...floored.at(-1)!, name: 'list, floor', callers: 1, ask: list },
      { ...floored.at(-1)!, name: 'derive, floor', callers: DATA_CALLERS, ask: (client) => client.derive({ path: 'bench' }, to) },
    ];
    works.push(...whileObserved(works, node, observation));
    await warmUp(works);
    for (const work of works) if (work.ask === list) for (let count = 0; count < WARM_UP_LISTS; count += 1) await list(work.client, '');
    const figures = await measure(works, withTurns);
    process.stdout.write(`\n${table([HEAD, ...works.map((work, place) => row(work, figures[place]!))])}\n`);
    const cpuOf = (name: string, size: number): readonly number[] => atSize(works, figures, name, size).cpuMs;
    const largest = SIZES.at(-1)!;
    for (const name of ['get', 'put']) {
      const overSmallest = (size: number): number => medianRatio(cpuOf(name, size), cpuOf(name, SIZES[0]!));
      process.stdout.write(`${name}: CPU at ${SIZES.slice(1).join(' and ')} keys compared with ${SIZES[0]} keys: ${SIZES.slice(1).map((size) => overSmallest(size).toFixed(2)).join(', ')}`);
      process.stdout.write(`; node compared with the floor server at ${FLOOR_SIZES.join(' and ')} keys: ${FLOOR_SIZES.map((size) => medianRatio(cpuOf(name, size), cpuOf(`${name}, floor`, size)).toFixed(2)).join(', ')}\n`);
      aimAt(`at every size, a ${name} costs at most ${SIZE_AIM} times as much as at ${SIZES[0]} keys`, SIZES.slice(1).every((size) => overSmallest(size) <= SIZE_AIM));
    }
    const inDerives = medianRatio(cpuOf('list', largest), cpuOf('derive, floor', largest));
    const overFloor = medianRatio(cpuOf('list', largest), cpuOf('list, floor', largest));
    process.stdout.write(`list of ${largest} keys: as much CPU time as ${overFloor.toFixed(2)} lists or ${inDerives.toFixed(1)} derives on the floor server; aim: at most ${LIST_AIM_DERIVES} derives\n`);
    aimAt(`a list of ${largest} keys takes at most as much CPU time as ${LIST_AIM_DERIVES} derives on the floor server`, inDerives <= LIST_AIM_DERIVES);
    const held = SIZES.reduce((sum, size) => sum + size, 0);
    process.stdout.write(`resident memory: ${idleMiB} MiB before, ${filledMiB} MiB just after ${held} keys of ${VALUE_BYTES} bytes arrived, ${residentMiB(node.pid!)} MiB at the end\n`);
  } finally {
    await Promise.all([...clients, ...floored.map(({ client }) => client)].map((client) => client.close()));
    await Promise.all(floors.map((floor) => floor.close()));
  }
}

async function deriveAndData(): Promise<void> {
  const secret = randomBytes(32).toString('hex');
  const filler = new FillingMember(secret);
  const observation = new Observation();
  const cluster = await startCluster({
    nodes: 1,
    nodeProgram: observation.nodeProgram,
    environment: { ...WIDE_LIMITS, ...observation.environment, MASTER_SECRET_HEX: secret },
    // The filling member does not listen. So the writes of this benchmark also cause pushes that fail, like pushes to an absent peer.
    prepare: async ({ chain }) => chain.register({ wallet: filler.wallet, teePubkey: filler.teePubkey, url: filler.url }),
  });
  try {
    const node = cluster.node(1);
    await node.waitForState('ready', LIMIT_MS);
    observation.switchOff(node);
    const measured = { cluster, node, secretHex: secret, observation };
    if (runs('derive')) await againstFloor(measured);
    if (runs('data')) await bySize(measured, filler);
  } finally {
    await filler.close();
    await cluster.close();
  }
}

process.stdout.write(`${turns} turns of ${options.seconds} s each; CPU of the process that answers, per request\n`);
if (runs('derive') || runs('data')) await deriveAndData();
if (runs('beside')) await besideLargeAnswers(withTurns);
