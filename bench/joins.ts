/**
 * `npm run bench:joins`: how much longer a node needs to join because of a member that accepts connections but never answers (a black hole,
 * protocol.md §9.5). It measures the time from the start of the process until the node is ready, with and without such a member.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startCluster } from '../src/dev/cluster.ts';
import { INSTANCE_STATUS } from '../src/dev/dev-chain.ts';
import { waitUntil } from '../src/dev/waiting.ts';
import { BlackHole } from '../test/e2e/support/black-hole.ts';
import { aimAt } from './aims.ts';
import { median, table } from './statistics.ts';

/** The longest delay that a black hole may cause. Milliseconds. */
const AIM_MS = 1_000;
const LIMIT_MS = 90_000;
const LOOK_EVERY_MS = 10;

const { values } = parseArgs({ options: { joins: { type: 'string', default: '9' } } });
const joins = Number(values.joins);

const cluster = await startCluster({ nodes: 2, tickSeconds: 10, blockTimeSeconds: 0.2 });
const hole = await BlackHole.start();
try {
  const joiner = cluster.node(2);
  await Promise.all(cluster.nodes.map((node) => node.waitForState('ready', LIMIT_MS)));
  const join = async (): Promise<number> => {
    await joiner.kill();
    const startedAtMs = performance.now();
    joiner.spawn();
    await waitUntil({ what: 'the joining node becoming ready', timeoutMs: LIMIT_MS, everyMs: LOOK_EVERY_MS }, async () =>
      (await joiner.tryStatus())?.readiness?.state === 'ready' ? null : 'it is not ready',
    );
    return performance.now() - startedAtMs;
  };
  const list = async (status: number): Promise<void> => {
    await cluster.chain.setInstanceStatus(hole.wallet, status);
    await cluster.mineConfirmations();
  };
  await cluster.chain.register(hole);
  const beside: number[] = [];
  const without: number[] = [];
  while (beside.length < joins) {
    await list(INSTANCE_STATUS.ACTIVE);
    const swallowed = hole.swallowed;
    const tookMs = await join();
    // A node chooses at random which member it asks first. A join that did not ask the black hole is not counted.
    if (hole.swallowed > swallowed) beside.push(tookMs);
    if (without.length >= beside.length) continue;
    await list(INSTANCE_STATUS.STOPPED);
    without.push(await join());
  }
  const costMs = median(beside) - median(without);
  const row = (name: string, figures: readonly number[]): (string | number)[] => [name, ...[median(figures), Math.min(...figures), Math.max(...figures)].map(Math.round)];
  process.stdout.write(`${table([['milliseconds from start to ready', 'median', 'min', 'max'], row('without a black hole', without), row('with a black hole', beside)])}\n`);
  process.stdout.write(`a black hole delays a join by ${Math.round(costMs)} ms; aim: at most ${AIM_MS}\n`);
  aimAt(`a black hole delays a join by at most ${AIM_MS} ms`, costMs <= AIM_MS);
} finally {
  await cluster.close();
  await hole.close();
}
