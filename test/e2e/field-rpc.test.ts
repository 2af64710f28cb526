/**
 * A real node that uses an RPC with faults and oddities seen in the field (protocol.md §6, freshness and claims): a replica that is far
 * behind, a head that moves back, a suggested tip that is far too high, a transaction pool that rejects every claim as underpriced, an
 * address with a trailing slash, and a redirect.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseTransaction, type Hex } from 'viem';
import { INSTANCE_STATUS } from '../../src/dev/dev-chain.ts';
import { waitUntil } from '../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../support/limits.ts';
import { AskingMember } from './support/asking-member.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { viewOf } from './support/node-view.ts';
import { waitForStates } from './support/quick-blocks.ts';
import { ReplicaRpc } from './support/replica-rpc.ts';

/** A block time so long that the chain mines a block only when the test asks for one. Seconds. */
const NEVER_SECONDS = 86_400;
/** The largest observed lag of a replica. Blocks. */
const FAR_BEHIND = 156;
const GWEI = 1_000_000_000n;
/** `CLAIM_MAX_TIP_GWEI`. */
const MAX_TIP = 50n * GWEI;

interface World {
  readonly cluster: Cluster;
  readonly rpc: ReplicaRpc;
  close(): Promise<void>;
}

async function startWorld(path = ''): Promise<World> {
  const rpc = await ReplicaRpc.start();
  const environment = { NODE_URL: `${rpc.url}${path}`, LOG_LEVEL: 'DEBUG' };
  const cluster = await startCluster({ nodes: 1, tickSeconds: 1, blockTimeSeconds: NEVER_SECONDS, start: false, environment, prepare: async ({ chain }) => void (rpc.target = chain.url) });
  await cluster.chain.test.setAutomine(true);
  const close = async (): Promise<void> => {
    await cluster.close();
    await rpc.close();
  };
  return { cluster, rpc, close };
}

async function waitFor(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  await waitUntil({ what, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 50 }, async () => ((await holds()) ? null : 'not yet'));
}

/** Waits until `count` more node_ticks have started, which means that all but the last of them have ended. */
async function ticksPass({ cluster }: World, count: number): Promise<void> {
  const { readiness } = await viewOf(cluster.node(1));
  await waitFor(`${count} ticks`, async () => (await viewOf(cluster.node(1))).readiness.ticks.run >= readiness.ticks.run + count);
}

function claimsOf({ rpc }: World) {
  const sent = rpc.noted.filter(({ method }) => method === 'eth_sendRawTransaction');
  return sent.map(({ params }) => parseTransaction(params![0] as Hex));
}

describe('a ready node', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
    const { cluster } = world;
    await cluster.node(1).start();
    await waitFor('a claim on the chain', async () => (await cluster.chain.claimsMined()) === 1);
    await cluster.mineConfirmations();
    await waitForStates(cluster, [cluster.node(1)], 'ready');
  });
  afterAll(() => world.close());

  test('stays ready and sends no claim while its RPC shows the chain as it was before the claim', async () => {
    const { cluster, rpc } = world;
    await cluster.chain.mine(FAR_BEHIND - 20);
    await ticksPass(world, 2);
    const claims = claimsOf(world).length;
    rpc.lag = FAR_BEHIND;
    await ticksPass(world, 2);
    const { readiness, node } = await viewOf(cluster.node(1));
    expect({ state: readiness.state, secret: node.master_secret.state, claims: claimsOf(world).length }).toEqual({ state: 'ready', secret: 'generated', claims });
    rpc.lag = 0;
    await ticksPass(world, 2);
  });

  test('does not give the secret to a stopped member, even when the head of the RPC moves back to a block in which the member was active', async () => {
    const { cluster, rpc } = world;
    const { wallet, teePubkey, localUrl: url } = cluster.node(1);
    const asker = new AskingMember();
    try {
      await cluster.chain.register(asker);
      await cluster.mineConfirmations();
      const ask = () => asker.askForSecret({ wallet, teePubkey, url });
      await waitFor('the secret for a member', async () => (await ask()).kind === 'given');
      const asMember = Number(await cluster.chain.client.getBlockNumber());
      await cluster.chain.setInstanceStatus(asker.wallet, INSTANCE_STATUS.STOPPED);
      await cluster.mineConfirmations();
      await waitFor('a refusal', async () => (await ask()).kind === 'refused');
      rpc.head = asMember;
      await ticksPass(world, 2);
      expect(await ask()).toEqual({ kind: 'refused', status: 403 });
    } finally {
      rpc.head = null;
      await asker.close();
    }
  });
});

describe('a claim', () => {
  test('that the RPC rejects as underpriced gets a higher tip with each retry, but never a tip above the limit', async () => {
    const world = await startWorld();
    try {
      const { cluster, rpc } = world;
      rpc.bend = ({ method }) => (method === 'eth_sendRawTransaction' ? { error: { code: -32_000, message: 'replacement transaction underpriced' } } : undefined);
      await cluster.node(1).start();
      await waitFor('three tries', () => claimsOf(world).length >= 3);
      const tips = claimsOf(world).map(({ maxPriorityFeePerGas = 0n }) => maxPriorityFeePerGas);
      for (const [nth, tip] of tips.slice(1).entries()) expect(tip * 8n).toBeGreaterThanOrEqual(tips[nth]! * 9n);
      expect(tips.every((tip) => tip <= MAX_TIP)).toBe(true);
    } finally {
      await world.close();
    }
  });

  test('has a tip within the limit, regardless of what the RPC suggests', async () => {
    const world = await startWorld();
    try {
      const { cluster, rpc } = world;
      rpc.bend = ({ method }) => (method === 'eth_maxPriorityFeePerGas' ? { result: '0xde0b6b3a7640000' } : undefined);
      await cluster.node(1).start();
      await waitFor('a claim', () => claimsOf(world).length > 0);
      const [{ maxPriorityFeePerGas, maxFeePerGas, gas }] = claimsOf(world) as [ReturnType<typeof claimsOf>[number]];
      expect(maxPriorityFeePerGas).toBeLessThanOrEqual(MAX_TIP);
      expect(maxFeePerGas! * gas!).toBeLessThanOrEqual(50_000_000n * GWEI);
    } finally {
      await world.close();
    }
  });
});

test('the node calls the RPC at exactly the configured address, including the trailing slash, and its reason names the target of a redirect', async () => {
  const world = await startWorld('/v1/key/');
  try {
    const { cluster, rpc } = world;
    await cluster.node(1).start();
    await waitFor('a request to the RPC', () => rpc.noted.length > 0);
    expect(new Set(rpc.noted.map(({ path }) => path))).toEqual(new Set(['/v1/key/']));
    await cluster.node(1).kill();
    rpc.redirect = 'https://elsewhere.example/v1/key';
    await cluster.node(1).start();
    const { host } = new URL(rpc.url);
    const reason = `peer cache refresh failed: the chain RPC at ${host} answered 308, a redirect to elsewhere.example:443: NODE_URL must be the address that the redirect leads to`;
    await waitFor('the reason', async () => (await viewOf(cluster.node(1))).readiness.reason === reason);
  } finally {
    await world.close();
  }
});
