/**
 * `npm run field`: nodes under real conditions. The nodes are real processes in strict mode, with TLS and an egress proxy. Apps write and
 * derive at a steady rate. Meanwhile, hostile callers leave request bodies unfinished and flood nodes, a hostile member sends forged
 * records and false answers, one of the two backends behind the RPC is bad, and every two minutes a node is killed and starts again with
 * new keys. Exit code 1: an acknowledged write was lost, or an answer was wrong. 2: an acknowledged write could not be checked on any node.
 * 130: interrupted; the report contains the results up to that time.
 */
import { createWriteStream } from 'node:fs';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import tls from 'node:tls';
import { Command } from 'commander';
import { LocalIdentity } from '../src/client/local-identity.ts';
import { wholeNumber } from '../src/cli/option-values.ts';
import { MAX_NODES } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { INSTANCE_STATUS, KMS_APP_ID } from '../src/dev/dev-chain.ts';
import { pause } from '../src/dev/waiting.ts';
import { systemRandom } from '../src/system/system.ts';
import { startEnclaveCluster } from '../test/e2e/support/enclave-cluster.ts';
import { HttpsFront } from '../test/e2e/support/https-front.ts';
import { onStopSignals } from '../src/cli/stop-signals.ts';
import { AppReaders } from './field/app-readers.ts';
import { Answers, Phases } from './field/answers.ts';
import { newIdentity, newInstance, OwnClient, PlatformApp, type WayIn } from './field/field-client.ts';
import { HostileCallers } from './field/hostile-callers.ts';
import { HostileMember, type Attack } from './field/hostile-member.ts';
import { LastLook } from './field/last-look.ts';
import { RpcBalancer } from './field/rpc-balancer.ts';
import { DEATH_WINDOW_MS, SteadyApp } from './field/steady-app.ts';
import { exitCodeOf, reportOf } from './field/report.ts';
import { residentMiB } from './process-figures.ts';

const BASE_BLOCK_SECONDS = 2;
const MINUTE_MS = 60_000;
const READY_TIMEOUT_MS = 300_000;
/** How long a killed node stays down. Milliseconds. */
const AWAY_MS = 3_000;
const ATTACK_EVERY_MS = 5_000;
const ATTACKS: readonly Attack[] = ['clocks', 'tombstones', 'future'];
const OWN_APP = 1_001;
const PLATFORM_APP = 1_002;
const HOSTILE_APP = 9_001;
/** Timeout of the last look, which checks at the end that every node has every acknowledged write. Milliseconds. */
const LAST_LOOK_MS = 300_000;
/** Number of reads under way at each node during the last look. */
const LAST_READERS = 12;
/** Number of instances of each app that read during the last look. A node counts the requests of each instance separately. */
const READERS_PER_APP = 4;
const INTERRUPTED_CODE = 130;

const options = new Command('field')
  .description('Runs real nodes under steady calls, with hostile callers and members, a bad RPC, and killed nodes.')
  .option('--minutes <n>', 'length of the run in minutes', wholeNumber(1, 1_440), 45)
  .option('--nodes <n>', 'number of nodes', wholeNumber(2, MAX_NODES), 5)
  .option('--rate <n>', 'calls per second, for both apps together', wholeNumber(2, 1_000), 20)
  .option('--kill-every <seconds>', 'seconds between two kills; 0: no kills', wholeNumber(0, 86_400), 120)
  .option('--tick <seconds>', 'KMS_NODE_TICK_SECONDS', wholeNumber(1, 3_600), 10)
  .option('--calm', 'run without the hostile callers and the hostile member')
  .option('--lines <file>', 'write the output of the processes to this file')
  .parse()
  .opts<{ minutes: number; nodes: number; rate: number; killEvery: number; tick: number; calm?: boolean; lines?: string }>();

const startedMs = performance.now();
const say = (line: string): void => void process.stdout.write(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s  ${line}\n`);
const errors = new Map<string, number>();
const lines = options.lines === undefined ? null : createWriteStream(options.lines);

const balancer = await RpcBalancer.start();
const hostileMember = new HostileMember();
const { walletKey, teeScalar } = hostileMember;
const identities = { own: null as LocalIdentity | null, platform: null as LocalIdentity | null, hostile: null as LocalIdentity | null };
const readerIdentities = { own: [] as LocalIdentity[], platform: [] as LocalIdentity[] };
say(`${options.nodes} nodes for ${options.minutes} minutes, ${options.rate} calls per second`);
const world = await startEnclaveCluster({
  nodes: options.nodes,
  tickSeconds: options.tick,
  blockTimeSeconds: BASE_BLOCK_SECONDS,
  environment: { NODE_URL: balancer.url, CHAIN_MAX_AGE_SECONDS: '120' },
  prepare: async ({ chain }) => {
    balancer.target = chain.url;
    identities.own = await newIdentity(chain, OWN_APP);
    identities.platform = await newIdentity(chain, PLATFORM_APP);
    identities.hostile = await newIdentity(chain, HOSTILE_APP);
    for (let nth = 0; nth < READERS_PER_APP; nth += 1) {
      readerIdentities.own.push(await newInstance(chain, OWN_APP));
      readerIdentities.platform.push(await newInstance(chain, PLATFORM_APP));
    }
  },
  onLine: ({ source, text }) => {
    lines?.write(`${source} ${text}\n`);
    const message = text.includes('"level":"error"') ? /"message":"([^"]*)"/.exec(text)?.[1] : undefined;
    if (message !== undefined) errors.set(`${source}: ${message}`, (errors.get(`${source}: ${message}`) ?? 0) + 1);
  },
});
const { cluster, proxy, certificate } = world;
const { chain } = cluster;
tls.setDefaultCACertificates([...tls.getCACertificates(), certificate.cert]);

const phases = new Phases();
const nameOf = (url: string): string => cluster.nodes.find((node) => node.url === url)?.name ?? url;
const answers = new Answers({ phases, nameOf });
const ready = (): readonly ClusterNode[] => cluster.nodes.filter(({ url }) => phases.of(url) === 'ready');

async function untilReady(node: ClusterNode): Promise<void> {
  phases.set(node.url, 'booting');
  await node.waitForState('ready', READY_TIMEOUT_MS);
  phases.set(node.url, 'ready');
}
await Promise.all(cluster.nodes.map(untilReady));
say('all nodes are ready');

const front = await HttpsFront.start(certificate);
const hostileCallers = new HostileCallers({ nodes: ready, app: identities.hostile!, peer: new LocalIdentity({ privateKey: walletKey, teeScalar }, { random: systemRandom }) });
if (options.calm !== true) {
  await chain.register({ appId: KMS_APP_ID, wallet: hostileMember.wallet, teePubkey: hostileMember.teePubkey, url: `https://hostile.kms.test:${front.port}` });
  for (let joined = false; !joined; ) {
    await pause(1_000).passed;
    joined = await hostileMember.join(cluster.node(1)).then(
      (port) => {
        front.forwardTo(port);
        return true;
      },
      () => false,
    );
  }
  hostileMember.know(cluster.nodes);
  say('the hostile member has joined');
}

const wayIn: WayIn = { chain, proxyUrl: proxy.url, authority: certificate.cert, urls: cluster.nodes.map(({ url }) => url), answers };
const readyUrls = (): readonly string[] => ready().map(({ url }) => url);
const clients = [new OwnClient(identities.own!, wayIn), new PlatformApp(identities.platform!, wayIn)] as const;
const apps = clients.map((client, nth) => new SteadyApp({ name: ['own', 'platform'][nth]!, callsPerSecond: options.rate / 2 }, { client, ready: readyUrls, say }));
const running = apps.map((app) => app.run());
if (options.calm !== true) hostileCallers.start();

let stopping = false;
const over = Promise.withResolvers<undefined>();
/** Does the work every `everyMs` until the run ends. */
async function repeat(everyMs: number, work: (nth: number) => Promise<void>): Promise<void> {
  for (let nth = 0; ; nth += 1) {
    const wait = pause(everyMs);
    await Promise.race([wait.passed, over.promise]);
    wait.cancel();
    if (stopping) return;
    await work(nth);
  }
}

const memberFailures = new Map<string, number>();
async function attack(nth: number): Promise<void> {
  hostileMember.know(cluster.nodes);
  for (const [place, node] of ready().entries()) {
    const kind = ATTACKS[(nth + place) % ATTACKS.length]!;
    await hostileMember.attack(node, kind, HOSTILE_APP).catch((error: unknown) => {
      const what = `${kind}: ${(error as Error).message}`.replaceAll(/\d+/g, 'N');
      memberFailures.set(what, (memberFailures.get(what) ?? 0) + 1);
    });
  }
  const targets = ready();
  const target = targets[nth % Math.max(1, targets.length)];
  if (nth % 2 === 1 || target === undefined) return;
  const key = `forged/${nth}`;
  await hostileMember.forgeCount(target, OWN_APP, key).then(() => apps[0]!.write(key, target.url), () => undefined);
}

const deaths: string[] = [];
async function kill(nth: number): Promise<void> {
  const node = cluster.node((nth % options.nodes) + 1);
  const { wallet, url, name } = node;
  phases.set(url, 'down');
  await node.kill();
  const diedMs = performance.now();
  for (const { ledger } of apps) ledger.noteDeath(url, diedMs, DEATH_WINDOW_MS);
  await pause(AWAY_MS).passed;
  const comeBack = async (): Promise<void> => {
    await node.restartEnclave({ freshWallet: true });
    await chain.setInstanceStatus(wallet, INSTANCE_STATUS.FAILED);
    phases.set(url, 'booting');
    await node.start();
    await untilReady(node);
  };
  const outcome = await comeBack().then(() => 'ready', (error: unknown) => `NOT READY: ${(error as Error).message}`);
  deaths.push(`${name}, ${((performance.now() - diedMs) / 1_000).toFixed(0)} s after its death: ${outcome}`);
  say(deaths.at(-1)!);
}

const memory = new Map<string, readonly (number | string)[]>();
const residents = (): readonly (number | string)[] => cluster.nodes.map(({ running: isRunning, pid }) => (isRunning && pid !== undefined ? residentMiB(pid) : '-'));
const sum = (of: (app: SteadyApp) => number): number => apps.reduce((total, app) => total + of(app), 0);
/**
 * The utilization of this process's event loop up to the last report. Each report shows how busy the loop was since the previous report.
 * If it is near 100 %, this process, which sends all calls and floods, is the bottleneck, and the figures do not describe the nodes.
 */
let utilization = performance.eventLoopUtilization();
function report(): void {
  const now = performance.eventLoopUtilization();
  const busy = Math.round(performance.eventLoopUtilization(now, utilization).utilization * 100);
  utilization = now;
  const calls = `calls: ${sum(({ calls: made }) => made)} (failed: ${sum(({ failed }) => failed)}), not made: ${sum(({ heldBack }) => heldBack)}`;
  const writes = `acknowledged writes: ${sum(({ ledger }) => ledger.acknowledged)} (checked: ${sum(({ checks }) => checks)}), wrong answers: ${sum(({ wrong }) => wrong.length)}`;
  const refused = `failed requests to ready nodes: ${answers.count('ready')}, to booting nodes: ${answers.count('booting')}, to dead nodes: ${answers.count('down')}`;
  say([calls, writes, refused, `memory of the nodes in MiB: ${residents().join(' ')}`, `this process: ${residentMiB(process.pid)} MiB, busy ${busy} % of the time`].join('; '));
}

let lastLook: LastLook | null = null;
/** How long the calls ran before an interruption; null when they ran for the whole time. Milliseconds. */
let cutShortMs: number | null = null;
const beganMs = performance.now();
function finalReport(): string {
  return reportOf({
    minutes: (cutShortMs ?? options.minutes * MINUTE_MS) / MINUTE_MS,
    isCutShort: cutShortMs !== null,
    calls: sum(({ calls }) => calls),
    failed: sum(({ failed }) => failed),
    heldBack: sum(({ heldBack }) => heldBack),
    acknowledged: sum(({ ledger }) => ledger.acknowledged),
    excused: sum(({ ledger }) => ledger.excused),
    deathWindowMs: DEATH_WINDOW_MS,
    checks: sum(({ checks }) => checks),
    wrong: apps.flatMap((app) => app.wrong.map((line) => `${app.name}: ${line}`)),
    failures: apps.flatMap((app) => app.failures()),
    answers,
    lastLook: lastLook?.result() ?? null,
    deaths,
    errors: [...errors],
    hostile: [['unfinished bodies', hostileCallers.held], ['requests in floods', hostileCallers.flooded], ...hostileMember.sent],
    refusedToMember: [...memberFailures],
    rpc: [['good backend', balancer.passed], ...balancer.given],
    nodeNames: cluster.nodes.map(({ name }) => name),
    memory: [...memory],
  });
}

const readers = { own: new AppReaders(readerIdentities.own, cluster.nodes), platform: new AppReaders(readerIdentities.platform, cluster.nodes) };
async function close(): Promise<void> {
  await Promise.all([...clients, ...Object.values(readers)].map((client) => client.close()));
  await hostileMember.close();
  await front.close();
  await world.close();
  await balancer.close();
}
const exitInterrupted = (): never => process.exit(INTERRUPTED_CODE);
onStopSignals(() => {
  if (!stopping) cutShortMs = performance.now() - beganMs;
  process.stdout.write(finalReport());
  void close().then(exitInterrupted, exitInterrupted);
}, exitInterrupted);

memory.set('start', residents());
const jobs = [
  repeat(MINUTE_MS, async (nth) => {
    report();
    if (nth + 1 === Math.ceil(options.minutes / 2)) memory.set('half', residents());
  }),
  ...(options.killEvery === 0 ? [] : [repeat(options.killEvery * 1_000, kill)]),
  ...(options.calm === true ? [] : [repeat(ATTACK_EVERY_MS, attack)]),
];
await pause(options.minutes * MINUTE_MS).passed;
memory.set('end', residents());
stopping = true;
over.resolve(undefined);
for (const app of apps) app.stop();
await Promise.all([...running, ...jobs, hostileCallers.stop()]);
report();

say('last look: checking that every node has every acknowledged write');
const nodes = cluster.nodes.map((node) => ({
  name: node.name,
  root: async () => {
    const root = (await node.tryStatus())?.data_store['root'];
    return typeof root === 'string' ? root : null;
  },
  read: (app: string, key: string) => readers[app as keyof typeof readers].get(node, key),
}));
lastLook = new LastLook(
  { limitMs: LAST_LOOK_MS, readers: LAST_READERS, deathWindowMs: DEATH_WINDOW_MS },
  { nodes, apps, nowMs: () => performance.now(), wait: (ms) => pause(ms).passed, say },
);
await lastLook.run();
memory.set('after', residents());
process.stdout.write(finalReport());
await close();
process.exit(exitCodeOf(apps.flatMap(({ wrong }) => wrong), lastLook.result()));
