/**
 * `npm run bench:snapshot`: what it costs a cluster when a node joins and fetches 50,000 records (protocol.md §10, First snapshot and
 * Pages). It measures the time until the node is ready, the longest block of the event loop on the node that sends the snapshot and on the
 * node that merges it, and the memory of both. Then it repeats this with an older node that returns its whole store in one answer: 8,000
 * records, about the maximum that the enclave API accepts in one message.
 */
import process from 'node:process';
import { randomBytes } from 'node:crypto';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { waitUntil } from '../src/dev/waiting.ts';
import { systemClock } from '../src/system/system.ts';
import { asOlderKind } from '../test/support/older-kind.ts';
import { memberOf, startNodeOverHttp } from '../test/support/node-over-http.ts';
import { aimAt } from './aims.ts';
import { EventLoopRecord, MEASURED, type LoopFigures } from './event-loop-record.ts';
import { FillingMember } from './filling-member.ts';
import { table } from './statistics.ts';

const RECORDS = 50_000;
const VALUE_BYTES = 100;
const OLDER_RECORDS = 8_000;
const APP_ID = 1_001;
const AIM_MS = 50;
const LIMIT_MS = 120_000;
const LOOK_EVERY_MS = 10;
/** How long to wait, after a phase, for the last lines that the probe printed. Milliseconds. */
const LINES_LATER_MS = 200;

const secret = randomBytes(32).toString('hex');
const record = new EventLoopRecord();
const filler = new FillingMember(secret);
const rows: (string | number)[][] = [['what', 'records', 'seconds', 'longest block ms', 'own ms', 'peak MiB']];

/** Adds a row and checks its longest block against the aim. The aim applies only if both nodes run the current version. */
function addAimedRow(what: string, count: number, seconds: number, figures: LoopFigures): void {
  aimAt(`${what}: no block above ${AIM_MS} ms`, figures.blockMs <= AIM_MS);
  addRow(what, count, seconds, figures);
}

function addRow(what: string, count: number, seconds: number, { blockMs, ownMs, peakMiB, samples }: LoopFigures): void {
  if (samples === 0) throw new Error(`nothing was measured: ${what}`);
  rows.push([what, count, seconds.toFixed(2), blockMs.toFixed(1), ownMs.toFixed(1), peakMiB]);
}

async function isReadyWith(node: ClusterNode, keys: number): Promise<void> {
  await waitUntil({ what: `${node.name} being ready`, timeoutMs: LIMIT_MS, everyMs: LOOK_EVERY_MS }, async () => {
    const status = await node.tryStatus();
    if (status?.readiness?.state !== 'ready') return status?.readiness?.reason ?? 'no answer';
    return status.data_store.total_keys >= keys ? null : `it holds ${status.data_store.total_keys} keys`;
  });
}

/** Starts the node. The measurement begins with its first HTTP answer, because the time for loading code is not part of a join. */
async function join(node: ClusterNode, keys: number): Promise<{ fromMs: number; toMs: number }> {
  await node.start(MEASURED);
  const fromMs = Date.now();
  await isReadyWith(node, keys);
  return { fromMs, toMs: Date.now() };
}

async function linesRead(): Promise<void> {
  const untilMs = Date.now() + LINES_LATER_MS;
  await waitUntil({ what: 'the last lines of the probe', timeoutMs: LIMIT_MS, everyMs: LOOK_EVERY_MS }, async () => (Date.now() > untilMs ? null : 'not yet'));
}

const cluster = await startCluster({
  nodes: 2,
  tickSeconds: 2,
  environment: { RATE_LIMIT_PER_MINUTE: '0' },
  plans: [{ environment: { ...MEASURED, MASTER_SECRET_HEX: secret } }, { start: false }],
  prepare: async ({ chain }) => chain.register({ wallet: filler.wallet, teePubkey: filler.teePubkey, url: filler.url }),
  onLine: (line) => record.take(line),
});
const closers: (() => Promise<void>)[] = [() => cluster.close(), () => filler.close()];
try {
  const [serving, joining] = cluster.nodes as [ClusterNode, ClusterNode];
  await isReadyWith(serving, 0);
  const records = filler.records(APP_ID, RECORDS, VALUE_BYTES);
  const fillFromMs = Date.now();
  await filler.fill(serving, records);
  const fillToMs = Date.now();
  await linesRead();
  addAimedRow('a node merges deltas of 256 KiB', RECORDS, (fillToMs - fillFromMs) / 1000, record.between(serving.name, fillFromMs, fillToMs));

  const joined = await join(joining, RECORDS);
  await linesRead();
  const seconds = (joined.toMs - joined.fromMs) / 1000;
  addAimedRow('a node sends a snapshot to a joining node', RECORDS, seconds, record.between(serving.name, joined.fromMs, joined.toMs));
  addAimedRow('the joining node merges the snapshot and becomes ready', RECORDS, seconds, record.between(joining.name, joined.fromMs, joined.toMs));
  await joining.stop();
  await serving.kill();

  const older = await startNodeOverHttp({
    nowMs: systemClock.nowMs(),
    secret,
    sync: asOlderKind,
    members: [memberOf(joining.wallet, joining.teePubkey, joining.url)],
  });
  closers.push(() => older.close());
  for (const { appId, record: wire } of records.slice(0, OLDER_RECORDS)) older.store.merge(appId, wire, systemClock.nowMs());
  await cluster.chain.register({ wallet: older.identity.wallet, teePubkey: older.identity.teePubkey, url: older.url });
  await cluster.mineConfirmations();
  const fromOlder = await join(joining, OLDER_RECORDS);
  await linesRead();
  const olderSeconds = (fromOlder.toMs - fromOlder.fromMs) / 1000;
  addRow('the joining node merges one answer from an older node', OLDER_RECORDS, olderSeconds, record.between(joining.name, fromOlder.fromMs, fromOlder.toMs));
} finally {
  for (const close of closers.reverse()) await close();
}
process.stdout.write(`records of ${VALUE_BYTES} bytes; aim: no block above ${AIM_MS} ms if both nodes run the current version\n${table(rows)}\n`);
process.stdout.write('own ms: without the time in which the node waited for a processor that another process was using\n');
