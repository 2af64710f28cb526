/**
 * `npm run bench:requests`: what apps' requests cost one node, with everything that belongs to them: a nonce, the caller's
 * signature, the registry, both envelopes, and the caller's own work in this process. Derives are measured against the least that
 * they cost in Node (`floor.ts`), by the same callers on the same enclave; keys of three namespaces take turns. All works take
 * turns, so that what else the machine does falls on all alike; the processor time of the process that answers says what is left
 * when it does much.
 *
 * `--turns N` and `--seconds S` for each work in each turn; `--only derive` leaves the namespaces out. With `--metrics` a second node,
 * whose metrics are scraped each second, takes turns with the one that has none.
 */
import process from 'node:process';
import { createHash, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { KmsClient } from '../src/client/kms-client.ts';
import { startCluster, type Cluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { aimAt } from './aims.ts';
import { connectBenchApp, createBenchApp, drawKeys, registerBenchApp, TRUSTING } from './bench-app.ts';
import { FillingMember } from './filling-member.ts';
import { startFloor } from './floor-process.ts';
import { cpuMs, residentMiB } from './process-figures.ts';
import { median, percentile, table } from './statistics.ts';

const SIZES = [100, 10_000, 50_000];
const VALUE_BYTES = 100;
const CALLERS = [16, 1];
const DATA_CALLERS = 16;
const LIMIT_MS = 90_000;
/** How much faster callers are with the nonces that come with answers, at least. */
const NEXT_NONCES_AIM = 1.25;
/** What metrics may cost a derive, as a share of the floor. */
const METRICS_AIM = 0.05;
const SCRAPE_EVERY_MS = 1_000;
/** Of the node over the floor, by callers: CPU and p50 at most, requests a second at least. */
const FLOOR_AIMS: Readonly<Record<number, { readonly cpu: number; readonly perSecond?: number; readonly p50?: number }>> = {
  16: { cpu: 1.25, perSecond: 0.95 },
  1: { cpu: 1.3, p50: 1.15 },
};
/** CPU of a get or put at any size over that at the smallest, at most. */
const SIZE_AIM = 1.1;
/** Derives of a process that do not count: until then its code is being compiled, which costs as much again. */
const WARM_UP_DERIVES = 4_000;
const FLOOR_APP_ID = 2_000;
const FIRST_APP_ID = 2_001;

type Ask = (client: KmsClient, key: string) => Promise<unknown>;

interface Work {
  readonly name: string;
  /** Keys in its namespace; null: it has to do with none. */
  readonly size: number | null;
  readonly client: KmsClient;
  readonly callers: number;
  readonly ask: Ask;
  /** Who answers. */
  readonly pid: number;
}

class Figures {
  readonly latenciesMs: number[] = [];
  readonly perSecond: number[] = [];
  readonly cpuMs: number[] = [];
}

const { values: options } = parseArgs({ options: { turns: { type: 'string', default: '9' }, seconds: { type: 'string', default: '2' }, only: { type: 'string' }, metrics: { type: 'boolean', default: false } } });
const turns = Number(options.turns);
const turnMs = 1_000 * Number(options.seconds);

async function takeTurn({ size, client, callers, ask, pid }: Work, figures: Figures): Promise<void> {
  let asked = 0;
  const cpuBeforeMs = cpuMs(pid);
  const startedMs = performance.now();
  const call = async (): Promise<void> => {
    while (performance.now() - startedMs < turnMs) {
      asked += 1;
      const key = `record-${String(asked % (size ?? 1)).padStart(6, '0')}`;
      const fromMs = performance.now();
      await ask(client, key);
      figures.latenciesMs.push(performance.now() - fromMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  figures.perSecond.push((asked * 1_000) / (performance.now() - startedMs));
  figures.cpuMs.push((cpuMs(pid) - cpuBeforeMs) / asked);
}

/** All works take turns; the first turn does not count. */
async function measure(works: readonly Work[]): Promise<readonly Figures[]> {
  const figures = works.map(() => new Figures());
  for (let turn = 0; turn <= turns; turn += 1) {
    for (const [place, work] of works.entries()) await takeTurn(work, turn === 0 ? new Figures() : figures[place]!);
  }
  return figures;
}

async function warmUp({ client, ask }: Work): Promise<void> {
  let asked = 0;
  const call = async (): Promise<void> => {
    while (asked < WARM_UP_DERIVES) {
      asked += 1;
      await ask(client, '');
    }
  };
  await Promise.all(Array.from({ length: DATA_CALLERS }, call));
}

function row({ name, size, callers }: Work, { latenciesMs, perSecond, cpuMs: perRequestMs }: Figures): (string | number)[] {
  return [name, size ?? '-', callers, Math.round(median(perSecond)), median(latenciesMs).toFixed(2), percentile(latenciesMs, 99).toFixed(2), median(perRequestMs).toFixed(2)];
}

const HEAD = ['request', 'keys', 'callers', 'per s', 'p50 ms', 'p99 ms', 'CPU ms'];

/** @param metered a node whose metrics are scraped meanwhile */
async function againstFloor(cluster: Cluster, node: ClusterNode, metered: ClusterNode | undefined, secretHex: string): Promise<void> {
  const keys = drawKeys();
  const toNode = connectBenchApp(cluster, keys);
  await registerBenchApp(cluster, toNode, FLOOR_APP_ID);
  const floor = await startFloor({ node, secret: secretHex, caller: { ...(await toNode.identity()), appId: FLOOR_APP_ID } });
  const toFloor = connectBenchApp(cluster, keys, { reroute: new Map([[new URL(node.url).origin, floor.url]]) });
  const withNext = connectBenchApp(cluster, keys, { nonces: 'next' });
  try {
    const ask: Ask = (client) => client.derive({ path: 'bench' }, { node: node.wallet });
    const [ours, least] = await Promise.all([toNode, toFloor].map((client) => client.derive({ path: 'equal' }, { node: node.wallet })));
    if (Buffer.compare(ours!.key, least!.key) !== 0) throw new Error('the floor derives another key than the node');
    const works = CALLERS.flatMap((callers): Work[] => [
      { name: 'derive', size: null, client: toNode, callers, ask, pid: node.pid! },
      { name: 'derive, floor', size: null, client: toFloor, callers, ask, pid: floor.pid },
    ]);
    const firstMetered = works.length;
    if (metered !== undefined) {
      const askMetered: Ask = (client) => client.derive({ path: 'bench' }, { node: metered.wallet });
      works.push(...CALLERS.map((callers): Work => ({ name: 'derive, metrics', size: null, client: toNode, callers, ask: askMetered, pid: metered.pid! })));
    }
    works.push({ name: 'derive, next nonces', size: null, client: withNext, callers: CALLERS[0]!, ask, pid: node.pid! });
    // By the first of its works, which asks for nonces as well.
    const processes = new Map(works.toReversed().map((work) => [work.pid, work]));
    for (const work of processes.values()) await warmUp(work);
    const figures = await measure(works);
    process.stdout.write(`${table([HEAD, ...works.map((work, place) => row(work, figures[place]!))])}\n`);
    for (const [place, callers] of CALLERS.entries()) {
      const [nodes, floors] = [figures[2 * place]!, figures[2 * place + 1]!];
      // Of turns side by side: what the machine did to one it did to the other.
      const ratio = (of: (each: Figures) => readonly number[]): number => median(of(nodes).map((figure, turn) => figure / of(floors)[turn]!));
      const [cpu, perSecond] = [ratio((each) => each.cpuMs), ratio((each) => each.perSecond)];
      const p50 = median(nodes.latenciesMs) / median(floors.latenciesMs);
      process.stdout.write(`node over floor, ${callers} callers: CPU ${cpu.toFixed(2)}, requests a second ${perSecond.toFixed(2)}, p50 ${p50.toFixed(2)}\n`);
      const aim = FLOOR_AIMS[callers]!;
      aimAt(`a derive of ${callers} callers takes at most ${aim.cpu} of the floor's CPU`, cpu <= aim.cpu);
      if (aim.perSecond !== undefined) aimAt(`${callers} callers get at least ${aim.perSecond} of the floor's derives a second`, perSecond >= aim.perSecond);
      if (aim.p50 !== undefined) aimAt(`p50 of ${callers} callers is at most ${aim.p50} of the floor's`, p50 <= aim.p50);
      if (metered === undefined) continue;
      const counted = figures[firstMetered + place]!;
      const more = median(counted.cpuMs.map((figure, turn) => (figure - nodes.cpuMs[turn]!) / floors.cpuMs[turn]!));
      process.stdout.write(`metrics scraped each second, ${callers} callers: CPU ${more.toFixed(3)} of a floor more, aim ${METRICS_AIM}\n`);
      aimAt(`metrics cost a derive of ${callers} callers at most ${METRICS_AIM} of a floor`, more <= METRICS_AIM);
    }
    const [fetched, floor16, next] = [figures[0]!, figures[1]!, figures.at(-1)!];
    const nextCpu = median(next.cpuMs.map((figure, turn) => figure / floor16.cpuMs[turn]!));
    process.stdout.write(`next nonces over the floor without, ${CALLERS[0]} callers: CPU ${nextCpu.toFixed(2)}, aim below 1\n`);
    aimAt('a derive with a next nonce takes less CPU than the floor without', nextCpu < 1);
    const faster = median(next.perSecond.map((perSecond, turn) => perSecond / fetched.perSecond[turn]!));
    process.stdout.write(`next nonces over a /nonce for each, ${CALLERS[0]} callers: requests a second ${faster.toFixed(2)}, aim ${NEXT_NONCES_AIM}\n`);
    aimAt(`next nonces make ${CALLERS[0]} callers ${NEXT_NONCES_AIM} times as fast`, faster >= NEXT_NONCES_AIM);
  } finally {
    await Promise.all([toNode.close(), toFloor.close(), withNext.close(), floor.close()]);
  }
}

async function bySize(cluster: Cluster, node: ClusterNode, filler: FillingMember): Promise<void> {
  const clients = await Promise.all(SIZES.map((_, place) => createBenchApp(cluster, new Map(), FIRST_APP_ID + place)));
  const to = { node: node.wallet };
  for (const client of clients) await client.derive({ path: 'bench' }, to);
  const idleMiB = residentMiB(node.pid!);
  for (const [place, size] of SIZES.entries()) await filler.fill(node, filler.records(FIRST_APP_ID + place, size, VALUE_BYTES));
  const filledMiB = residentMiB(node.pid!);
  const sized = SIZES.map((size, place) => ({ size, client: clients[place]!, callers: DATA_CALLERS, pid: node.pid! }));
  const works: Work[] = [
    ...sized.map((each) => ({ ...each, name: 'get', ask: (client: KmsClient, key: string) => client.get(key, to) })),
    ...sized.map((each) => ({ ...each, name: 'put', ask: (client: KmsClient, key: string) => client.put({ key, value: randomBytes(VALUE_BYTES) }, to) })),
    { ...sized.at(-1)!, name: 'list', callers: 1, ask: (client) => client.list({}, to) },
  ];
  const figures = await measure(works);
  process.stdout.write(`\n${table([HEAD, ...works.map((work, place) => row(work, figures[place]!))])}\n`);
  for (const name of ['get', 'put']) {
    const [small, ...larger] = works.flatMap((work, place) => (work.name === name ? [median(figures[place]!.cpuMs)] : []));
    process.stdout.write(`${name}: CPU at ${SIZES.slice(1).join(' and ')} keys over that at ${SIZES[0]}: ${larger.map((ms) => (ms / small!).toFixed(2)).join(', ')}\n`);
    aimAt(`a ${name} costs at most ${SIZE_AIM} of itself at ${SIZES[0]} keys, at every size`, larger.every((ms) => ms <= SIZE_AIM * small!));
  }
  const held = SIZES.reduce((sum, size) => sum + size, 0);
  process.stdout.write(`resident memory: ${idleMiB} MiB before, ${filledMiB} MiB just after ${held} keys of ${VALUE_BYTES} bytes came, ${residentMiB(node.pid!)} MiB at the end\n`);
  for (const client of clients) await client.close();
}

/** @returns ends it, and says how often it was done and how long that took */
function scrapeEachSecond(node: ClusterNode, token: string): () => string {
  const tookMs: number[] = [];
  const timer = setInterval(() => {
    const fromMs = performance.now();
    const scraped = fetch(`${node.localUrl}/metrics`, { headers: { authorization: `Bearer ${token}` } }).then(async (answer) => {
      if (answer.status !== 200) throw new Error(`the metrics were answered with ${answer.status}`);
      await answer.text();
      tookMs.push(performance.now() - fromMs);
    });
    scraped.catch((error: unknown) => process.stderr.write(`a scrape failed: ${String(error)}\n`));
  }, SCRAPE_EVERY_MS);
  return () => {
    clearInterval(timer);
    return `${tookMs.length} scrapes, ${median(tookMs).toFixed(1)} ms each`;
  };
}

const secret = randomBytes(32).toString('hex');
const metricsToken = randomBytes(24).toString('base64url');
const filler = new FillingMember(secret);
const cluster = await startCluster({
  nodes: options.metrics ? 2 : 1,
  plans: [{}, { environment: { METRICS_TOKEN_SHA256: createHash('sha256').update(metricsToken).digest('hex') } }],
  environment: { ...TRUSTING, MASTER_SECRET_HEX: secret },
  // Its writes bring it pushes that nobody takes, as to a peer that is away.
  prepare: async ({ chain }) => chain.register({ wallet: filler.wallet, teePubkey: filler.teePubkey, url: filler.url }),
});
try {
  const [node, metered] = cluster.nodes as [ClusterNode, ClusterNode?];
  for (const each of cluster.nodes) await each.waitForState('ready', LIMIT_MS);
  process.stdout.write(`${turns} turns of ${options.seconds} s each; CPU of the process that answers, per request\n`);
  const endScrapes = metered === undefined ? null : scrapeEachSecond(metered, metricsToken);
  await againstFloor(cluster, node, metered, secret);
  if (endScrapes !== null) process.stdout.write(`${endScrapes()}\n`);
  if (options.only !== 'derive') await bySize(cluster, node, filler);
} finally {
  await filler.close();
  await cluster.close();
}
