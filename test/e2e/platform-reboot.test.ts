/**
 * Nodes run in strict mode, with TLS and an egress proxy. One of them is killed, and its enclave restarts with new keys, while the platform's
 * client (`support/platform-client.ts`) calls the nodes at a steady rate. No call fails. The only writes that may be lost are those that the
 * killed node acknowledged just before it was killed and had not pushed yet: a push may wait for `DATA_SYNC_NUDGE_MS`.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LocalIdentity } from '../../src/client/local-identity.ts';
import { pause, waitUntil } from '../../src/dev/waiting.ts';
import { systemRandom } from '../../src/system/system.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { startEnclaveCluster, type EnclaveCluster } from './support/enclave-cluster.ts';
import { PlatformClient, type Operation } from './support/platform-client.ts';
import { waitForStates } from './support/quick-blocks.ts';

const APP_ID = 1_001;
/** The time between two calls in milliseconds. The client makes twenty calls a second. */
const CALL_EVERY_MS = 50;
/** The client asks all nodes for `/status` again after this many calls. */
const PROBE_EVERY_CALLS = 100;
/** Number of calls in each of three phases: before the node is killed, while it is down, and after it is back. */
const CALLS_ASIDE = 100;
const FAILED = 2;
/** Maximum number of lost writes: only the last writes that the killed node acknowledged may be lost. */
const LAST_WRITES = 2;

interface Write {
  readonly key: string;
  readonly value: string;
  /** URL of the node that acknowledged the write. */
  readonly by: string;
}

let world: EnclaveCluster;
let client: PlatformClient;

beforeAll(async () => {
  const identity = new LocalIdentity({ privateKey: randomBytes(32) }, { random: systemRandom });
  world = await startEnclaveCluster({
    nodes: 3,
    tickSeconds: 2,
    prepare: async ({ chain }) => {
      await chain.createApp(APP_ID);
      await chain.register({ appId: APP_ID, wallet: await identity.address(), teePubkey: await identity.publicKey(), url: 'https://app.test' });
    },
  });
  const { cluster, proxy, certificate } = world;
  await waitForStates(cluster, cluster.nodes, 'ready');
  client = new PlatformClient({ urls: cluster.nodes.map(({ url }) => url), proxyUrl: proxy.url, authority: certificate.cert }, { identity });
  expect(await client.probe()).toBe(3);
});

afterAll(async () => {
  await client.close();
  await world.close();
});

/** Calls derive, put and get in turn at a steady rate, until it is stopped. */
class SteadyCalls {
  readonly failures: string[] = [];
  readonly writes: Write[] = [];
  done = 0;
  tries = 0;
  #key: unknown = undefined;
  #stopped = false;
  readonly #underWay = new Set<Promise<void>>();

  async run(): Promise<void> {
    for (let nth = 0; !this.#stopped; nth += 1) {
      const call = this.#one(nth);
      this.#underWay.add(call);
      void call.finally(() => this.#underWay.delete(call));
      if (nth % PROBE_EVERY_CALLS === 0) void client.probe();
      await pause(CALL_EVERY_MS).passed;
    }
    await Promise.all(this.#underWay);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #one(nth: number): Promise<void> {
    const write = { key: `wallet/eth/${nth}/private_key`, value: `value ${nth}` };
    const known = this.writes[Math.floor(this.writes.length / 2)];
    const operation: Operation =
      nth % 3 === 0
        ? { do: 'derive', path: 's3/1/file' }
        : nth % 3 === 1 || known === undefined
          ? { do: 'put', key: write.key, value: Buffer.from(write.value) }
          : { do: 'get', key: known.key };
    const { answer, attempts } = await client.call(operation);
    this.done += 1;
    this.tries += attempts.length;
    if (answer === null) this.failures.push(`${operation.do}: ${attempts.map(({ url, end, status }) => `${url} ${end} ${status}`).join(', ')}`);
    else if (operation.do === 'put') this.writes.push({ ...write, by: attempts.at(-1)!.url });
    else if (operation.do === 'derive') this.#checkKey(answer['key']);
    else if (operation.do === 'get' && answer['value'] !== Buffer.from(known!.value).toString('base64')) this.failures.push(`get: a different value under ${operation.key}`);
  }

  #checkKey(key: unknown): void {
    this.#key ??= key;
    if (key !== this.#key) this.failures.push('derive: a key that differs from the earlier ones');
  }
}

test('when a node is killed and restarts with new keys, no call fails, and no write is lost except the last ones that the killed node acknowledged', async () => {
  const { cluster } = world;
  const node = cluster.node(1);
  const before = node.wallet;
  const calls = new SteadyCalls();
  const running = calls.run();
  const callsMore = async (count: number): Promise<void> => {
    const until = calls.done + count;
    await waitUntil({ what: `${count} more calls`, timeoutMs: WAIT_TIMEOUT_MS }, async () => (calls.done >= until ? null : `${until - calls.done} to come`));
  };
  await callsMore(CALLS_ASIDE);
  await node.kill();
  const atEnd = calls.writes.filter(({ by }) => by === node.url).slice(-LAST_WRITES);
  await callsMore(CALLS_ASIDE);
  await node.restartEnclave({ freshWallet: true });
  await cluster.chain.setInstanceStatus(before, FAILED);
  await node.start();
  await waitForStates(cluster, [node], 'ready');
  await client.probe();
  await callsMore(CALLS_ASIDE);
  calls.stop();
  await running;

  expect(node.wallet).not.toBe(before);
  let lost: readonly Write[] = [];
  await waitUntil({ what: 'every write on every node', timeoutMs: WAIT_TIMEOUT_MS }, async () => {
    lost = await missing(calls.writes);
    return lost.every((write) => atEnd.includes(write)) ? null : `${lost.length} are missing`;
  });
  console.log(`calls ${calls.done}, tries ${calls.tries}, failures ${calls.failures.length}, writes acknowledged ${calls.writes.length}, writes lost ${lost.length}`);
  expect(calls.failures).toEqual([]);
});

/** The writes for which at least one node does not return the written value. */
async function missing(writes: readonly Write[]): Promise<readonly Write[]> {
  const found: Write[] = [];
  for (const write of writes) {
    const answers = await Promise.all(world.cluster.nodes.map(({ url }) => client.call({ do: 'get', key: write.key }, url)));
    if (!answers.every(({ answer }) => answer?.['value'] === Buffer.from(write.value).toString('base64'))) found.push(write);
  }
  return found;
}
