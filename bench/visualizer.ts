/**
 * `npm run bench:visualizer`: the cost of watching a node. It measures the node's CPU time per derive with and without a reader of the
 * node's events, in consecutive pairs. Then it measures the node's memory while thousands of events arrive for a client that is
 * connected but never reads.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import process from 'node:process';
import type { KmsClient } from '../src/client/kms-client.ts';
import { startCluster } from '../src/dev/cluster.ts';
import type { ClusterNode } from '../src/dev/cluster-node.ts';
import { aimAt } from './aims.ts';
import { createBenchApp, WIDE_LIMITS } from './bench-app.ts';
import { cpuMs, residentMiB } from './process-figures.ts';
import { median, table } from './statistics.ts';

const PAIRS = 9;
/** Number of derives in one measurement. */
const DERIVES = 600;
/**
 * The measurements of one pair, in order; true: a reader is connected. In this order, a steady drift affects the measurements with a reader
 * as much as those without.
 */
const ORDER = [false, true, true, false, true, false, false, true];
const WARM_UP = 5_000;
/** Number of derives before each measurement. They are not measured, because the reader may just have started or stopped. */
const SETTLE = 50;
const CALLERS = 4;
const AIM = 1.03;
const LIMIT_MS = 90_000;
const ROUNDS = 6;
const TICKS_A_ROUND = 5_000;

async function derive(client: KmsClient, node: ClusterNode, count: number): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await client.derive({ path: 'bench' }, { node: node.wallet });
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/** Reads events. When it begins again, it continues after the last event that it received, like a browser. */
class Reader {
  bytes = 0;
  readonly #url: string;
  #lastId = '';
  #ending = new AbortController();
  #reading: Promise<void> = Promise.resolve();

  constructor(url: string) {
    this.#url = url;
  }

  async begin(): Promise<void> {
    this.#ending = new AbortController();
    const answer = await fetch(`${this.#url}/events`, { signal: this.#ending.signal, headers: { 'last-event-id': this.#lastId } });
    this.#reading = this.#read(answer);
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await this.#reading;
  }

  async #read(answer: Response): Promise<void> {
    try {
      for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
        this.bytes += chunk.length;
        this.#lastId = [...Buffer.from(chunk).toString('utf8').matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? this.#lastId;
      }
    } catch {
      // The reader was stopped.
    }
  }
}

async function cpuPerDerive(client: KmsClient, node: ClusterNode): Promise<number> {
  await derive(client, node, SETTLE);
  const before = cpuMs(node.pid!);
  await derive(client, node, DERIVES);
  return (cpuMs(node.pid!) - before) / DERIVES;
}

const token = randomBytes(24).toString('hex');
const cluster = await startCluster({ nodes: 2, tickSeconds: 1, visualizer: { token }, environment: { ...WIDE_LIMITS, DATA_SYNC_INTERVAL_SECONDS: '1' } });
try {
  await Promise.all(cluster.nodes.map((each) => each.waitForState('ready', LIMIT_MS)));
  const client = await createBenchApp(cluster);
  const node = cluster.node(1);
  const url = `http://127.0.0.1:${node.visualizerPort!}`;

  const reader = new Reader(url);
  await reader.begin();
  await derive(client, node, WARM_UP);
  await reader.end();
  const atFirst = reader.bytes;
  const pairs: { readonly alone: number; readonly watched: number }[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const sums = { alone: 0, watched: 0 };
    for (const isWatched of ORDER) {
      if (isWatched) await reader.begin();
      sums[isWatched ? 'watched' : 'alone'] += await cpuPerDerive(client, node);
      if (isWatched) await reader.end();
    }
    pairs.push({ alone: (2 * sums.alone) / ORDER.length, watched: (2 * sums.watched) / ORDER.length });
  }
  const ratio = median(pairs.map((pair) => pair.watched / pair.alone));
  aimAt(`the median ratio is at most ${AIM}`, ratio <= AIM);
  process.stdout.write(
    `CPU of a node per derive, ${(ORDER.length * DERIVES) / 2} derives each, node_tick and sync_tick every second; milliseconds\n${table([
      ['', 'no reader', 'one reader', 'ratio'],
      ...pairs.map(({ alone, watched: with1 }, index) => [`pair ${index + 1}`, alone.toFixed(3), with1.toFixed(3), (with1 / alone).toFixed(3)]),
    ])}\nmedian ratio ${ratio.toFixed(3)}, aim: at most ${AIM}; the reader received ${Math.round((reader.bytes - atFirst) / 1024)} KiB\n\n`,
  );

  const sleeper = connect({ host: '127.0.0.1', port: node.visualizerPort! });
  sleeper.on('error', () => undefined);
  sleeper.pause();
  sleeper.write(`GET /events HTTP/1.1\r\nhost: 127.0.0.1:${node.visualizerPort!}\r\n\r\n`);
  const rows: (string | number)[][] = [['sync_ticks sent', 'resident MiB', 'events kept', 'as JSON, MiB']];
  const note = async (sent: number): Promise<void> => {
    const trace = await (await fetch(`${url}/trace`)).text();
    rows.push([sent, residentMiB(node.pid!), trace.split('\n').length - 1, (trace.length / 1024 / 1024).toFixed(1)]);
  };
  await note(0);
  for (let round = 1; round <= ROUNDS; round += 1) {
    let left = TICKS_A_ROUND;
    const sender = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const headers = { origin: url, 'content-type': 'application/json', 'x-visualizer-token': token };
        const answer = await fetch(`${url}/commands`, { method: 'POST', headers, body: '{"command":"sync_tick"}' });
        await answer.text();
        if (!answer.ok) throw new Error(`a sync_tick was not accepted: ${answer.status}`);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, sender));
    await note(round * TICKS_A_ROUND);
  }
  sleeper.destroy();
  process.stdout.write(`memory of a node while a connected client never reads\n${table(rows)}\n`);
  await client.close();
} finally {
  await cluster.close();
}
