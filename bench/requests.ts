/**
 * `npm run bench:requests`: what apps' requests cost one node, with everything that belongs to them: a nonce, the caller's
 * signature, the registry, both envelopes, and the caller's own work in this process. Keys of three namespaces of one node take
 * turns, so that what else the machine does falls on all sizes alike; the processor time of the node says what is left when it
 * does much.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import type { KmsClient } from '../src/client/kms-client.ts';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { createBenchApp, TRUSTING } from './bench-app.ts';
import { FillingMember } from './filling-member.ts';
import { cpuMs, residentMiB } from './process-figures.ts';
import { median, percentile, table } from './statistics.ts';

const SIZES = [100, 10_000, 50_000];
const VALUE_BYTES = 100;
const CALLERS = 16;
/** One turn of one kind of request. */
const TURN_REQUESTS = 400;
const TURNS = 5;
const LIST_REQUESTS = 15;
const LIMIT_MS = 90_000;
const FIRST_APP_ID = 2_001;

type Ask = (client: KmsClient, key: string) => Promise<unknown>;

interface Work {
  readonly name: string;
  readonly size: number;
  readonly client: KmsClient;
  readonly callers: number;
  readonly requests: number;
  readonly ask: Ask;
}

class Figures {
  readonly latenciesMs: number[] = [];
  readonly perSecond: number[] = [];
  readonly nodeMs: number[] = [];
}

async function takeTurn({ size, client, callers, requests, ask }: Work, node: ClusterNode, figures: Figures): Promise<void> {
  let left = requests;
  const cpuBeforeMs = cpuMs(node.pid!);
  const startedMs = performance.now();
  const call = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const key = `record-${String(left % size).padStart(6, '0')}`;
      const fromMs = performance.now();
      await ask(client, key);
      figures.latenciesMs.push(performance.now() - fromMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  figures.perSecond.push((requests * 1_000) / (performance.now() - startedMs));
  figures.nodeMs.push((cpuMs(node.pid!) - cpuBeforeMs) / requests);
}

const secret = randomBytes(32).toString('hex');
const filler = new FillingMember(secret);
const cluster = await startCluster({
  nodes: 1,
  environment: { ...TRUSTING, MASTER_SECRET_HEX: secret },
  // Its writes bring it pushes that nobody takes, as to a peer that is away.
  prepare: async ({ chain }) => chain.register({ wallet: filler.wallet, teePubkey: filler.teePubkey, url: filler.url }),
});
try {
  const [node] = cluster.nodes as [ClusterNode];
  await node.waitForState('ready', LIMIT_MS);
  const clients = await Promise.all(SIZES.map((_, place) => createBenchApp(cluster, new Map(), FIRST_APP_ID + place)));
  const to = { node: node.wallet };
  const derive: Ask = (client) => client.derive({ path: 'bench' }, to);
  for (const client of clients) await derive(client, '');
  const idleMiB = residentMiB(node.pid!);
  for (const [place, size] of SIZES.entries()) await filler.fill(node, filler.records(FIRST_APP_ID + place, size, VALUE_BYTES));
  const filledMiB = residentMiB(node.pid!);

  const sized = SIZES.map((size, place) => ({ size, client: clients[place]!, callers: CALLERS, requests: TURN_REQUESTS }));
  const works: Work[] = [
    { ...sized[0]!, name: 'derive', callers: 1, ask: derive },
    { ...sized[0]!, name: 'derive', ask: derive },
    ...sized.map((each) => ({ ...each, name: 'get', ask: (client: KmsClient, key: string) => client.get(key, to) })),
    ...sized.map((each) => ({ ...each, name: 'put', ask: (client: KmsClient, key: string) => client.put({ key, value: randomBytes(VALUE_BYTES) }, to) })),
    { ...sized.at(-1)!, name: 'list', callers: 1, requests: LIST_REQUESTS, ask: (client) => client.list({}, to) },
  ];
  const figures = works.map(() => new Figures());
  // The first turn warms up.
  for (let turn = 0; turn <= TURNS; turn += 1) {
    for (const [place, work] of works.entries()) await takeTurn(work, node, turn === 0 ? new Figures() : figures[place]!);
  }
  const rows = works.map(({ name, size, callers }, place) => {
    const { latenciesMs, perSecond, nodeMs } = figures[place]!;
    const isData = name !== 'derive';
    return [name, isData ? size : '-', callers, Math.round(median(perSecond)), median(latenciesMs).toFixed(2), percentile(latenciesMs, 99).toFixed(2), median(nodeMs).toFixed(2)];
  });
  process.stdout.write(`${table([['request', 'keys', 'callers', 'per s', 'p50 ms', 'p99 ms', 'node CPU ms'], ...rows])}\n`);
  for (const name of ['get', 'put']) {
    const [small, ...larger] = works.flatMap((work, place) => (work.name === name ? [median(figures[place]!.nodeMs)] : []));
    process.stdout.write(`${name}: node CPU at ${SIZES.slice(1).join(' and ')} keys over that at ${SIZES[0]}: ${larger.map((ms) => (ms / small!).toFixed(2)).join(', ')}\n`);
  }
  const held = SIZES.reduce((sum, size) => sum + size, 0);
  process.stdout.write(`resident memory: ${idleMiB} MiB before, ${filledMiB} MiB just after ${held} keys of ${VALUE_BYTES} bytes came, ${residentMiB(node.pid!)} MiB at the end\n`);
  for (const client of clients) await client.close();
} finally {
  await filler.close();
  await cluster.close();
}
