/**
 * Sends a node the requests of a whole day (one per second for 24 hours) in less time. Keys are added, changed and deleted, and expire.
 * Lifetimes and retentions are so short that the node holds about the same amount of data in each minute, so its memory must not grow.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import process from 'node:process';
import { z } from 'zod';
import { KmsClientError } from '../src/client/errors.ts';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { pause } from '../src/dev/waiting.ts';
import { aimAt } from './aims.ts';
import { createBenchApp } from './bench-app.ts';
import { median, table } from './statistics.ts';

const PROBE = join(import.meta.dirname, 'memory-probe.mjs');
const probeLine = z.object({ probe: z.literal('memory'), heap: z.number(), rss: z.number() });

/** The requests of a day: one per second for 24 hours. */
const REQUESTS_OF_A_DAY = 86_400;
/**
 * About the highest rate that one node reaches when all nodes of the cluster share two processors. A short run makes fewer requests than a
 * day has, so that it does not exceed this rate.
 */
const MAX_REQUESTS_A_MINUTE = 6_000;
const NODES = 3;
const CALLERS = 8;
/** Number of keys. It is not divisible by the number of kinds of requests, so that each key gets all kinds of requests. */
const KEYS = 501;
const VALUE_BYTES = 100;
/** Lifetime of a key, and retention of tombstones. Both are so short that each minute ends with as many records as it began with. Milliseconds. */
const TTL_MS = 20_000;
const RETENTION_MS = 30_000;
const READY_TIMEOUT_MS = 90_000;
const MS_PER_MINUTE = 60_000;
const BYTES_PER_MIB = 1_048_576;
/** The first part of the run, as a share of the whole. Its samples are ignored, because caches fill and code is compiled. */
const WARM_UP = 1 / 3;
/** How much the memory may grow from the end of the warm-up to the end of the run. MiB. */
const GROWTH_AIM_MIB = 6;

interface Sample {
  readonly minute: number;
  readonly rss: number;
  /** The smallest heap since the last sample: about the size after a garbage collection. */
  readonly heap: number;
}

/** @param minutes the length of the run @param program the program that the nodes run; undefined: the sources */
export async function soak(minutes: number, program: string | undefined): Promise<void> {
  const lines: { readonly heap: number; readonly rss: number }[] = [];
  const cluster = await startCluster({
    nodes: NODES,
    nodeProgram: program,
    environment: { RATE_LIMIT_PER_MINUTE: '0', NONCE_RATE_LIMIT_PER_MINUTE: '0', TOMBSTONE_RETENTION_MS: String(RETENTION_MS), NODE_OPTIONS: `--import=${PROBE}` },
    onLine: ({ source, stream, text }) => {
      if (source !== 'node-1' || stream !== 'stderr' || !text.startsWith('{"probe"')) return;
      const parsed = probeLine.safeParse(JSON.parse(text));
      if (parsed.success) lines.push(parsed.data);
    },
  });
  try {
    for (const node of cluster.nodes) await node.waitForState('ready', READY_TIMEOUT_MS);
    const [node] = cluster.nodes as [ClusterNode];
    const client = await createBenchApp(cluster);
    const to = { node: node.wallet };
    const work = [
      () => client.derive({ path: `file/${randomBytes(2).toString('hex')}` }, to),
      (key: string) => client.put({ key, value: randomBytes(VALUE_BYTES), ttlMs: TTL_MS }, to),
      (key: string) => client.get(key, to),
      (key: string) => client.delete({ key }, to),
    ];
    const endsAtMs = performance.now() + minutes * MS_PER_MINUTE;
    const requests = Math.min(REQUESTS_OF_A_DAY, Math.round(minutes * MAX_REQUESTS_A_MINUTE));
    const everyMs = (minutes * MS_PER_MINUTE * CALLERS) / requests;
    let asked = 0;
    const call = async (): Promise<void> => {
      let dueMs = performance.now();
      while (performance.now() < endsAtMs) {
        asked += 1;
        await work[asked % work.length]!(`key/${asked % KEYS}`).catch(orAbsent);
        dueMs = Math.max(dueMs + everyMs, performance.now() - MS_PER_MINUTE);
        await pause(Math.max(0, dueMs - performance.now())).passed;
      }
    };
    process.stdout.write(`\n${requests} requests in ${minutes} minutes, on ${NODES} nodes\n${table([['minute', 'RSS MiB', 'heap MiB', 'requests']])}\n`);
    const samples: Sample[] = [];
    const watch = async (): Promise<void> => {
      const every = Math.min(1, minutes / 10);
      for (let minute = every; minute <= minutes; minute += every) {
        lines.length = 0;
        await pause(every * MS_PER_MINUTE).passed;
        if (lines.length === 0) throw new Error('the node reports no memory figures');
        const sample = { minute, rss: median(lines.map(({ rss }) => rss)) / BYTES_PER_MIB, heap: Math.min(...lines.map(({ heap }) => heap)) / BYTES_PER_MIB };
        samples.push(sample);
        process.stdout.write(`${minute.toFixed(1).padStart(6)}  ${sample.rss.toFixed(1).padStart(7)}  ${sample.heap.toFixed(1).padStart(8)}  ${String(asked).padStart(8)}\n`);
      }
    };
    await Promise.all([watch(), ...Array.from({ length: CALLERS }, call)]);
    await client.close();
    if (asked < requests) process.stdout.write(`only ${asked} requests were made, because the machine was too slow\n`);
    judge(samples.filter(({ minute }) => minute > minutes * WARM_UP));
  } finally {
    await cluster.close();
  }
}

/** Ignores the answer that a key is absent: the key may have expired or been deleted. Throws every other error. */
function orAbsent(error: unknown): void {
  if (!(error instanceof KmsClientError && error.serverCode === 'not_found')) throw error;
}

function judge(samples: readonly Sample[]): void {
  for (const what of ['rss', 'heap'] as const) {
    const growth = slopeOf(samples, what) * (samples.at(-1)!.minute - samples[0]!.minute);
    process.stdout.write(`${what === 'rss' ? 'RSS' : 'heap'}: growth of ${growth.toFixed(1)} MiB since minute ${samples[0]!.minute.toFixed(1)}; aim: at most ${GROWTH_AIM_MIB}\n`);
    aimAt(`${what} grows by at most ${GROWTH_AIM_MIB} MiB`, growth <= GROWTH_AIM_MIB);
  }
}

/** MiB per minute: the median of all slopes between two samples (Theil and Sen). A few outliers hardly change it. */
function slopeOf(samples: readonly Sample[], what: 'rss' | 'heap'): number {
  return median(samples.flatMap((from, place) => samples.slice(place + 1).map((to) => (to[what] - from[what]) / (to.minute - from.minute))));
}
