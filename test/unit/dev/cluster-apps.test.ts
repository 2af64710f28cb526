/** Apps of a development cluster: each is a separate app on the chain, even when several are created at the same time. */
import { afterEach, expect, test } from '@jest/globals';
import type { Anvil } from '../../../src/dev/anvil.ts';
import { Cluster } from '../../../src/dev/cluster.ts';
import type { DevChain } from '../../../src/dev/dev-chain.ts';

let cluster: Cluster;

/** A cluster whose chain records the apps that are created on it. */
function start() {
  const created: number[] = [];
  const chain = {
    url: 'http://127.0.0.1:9',
    novaAppRegistry: `0x${'aa'.repeat(20)}`,
    createApp: async (appId: number) => void created.push(appId),
    register: async () => undefined,
  } as unknown as DevChain;
  cluster = new Cluster({ nodes: 1 }, { chain, anvil: { stop: async () => undefined } as Anvil });
  return created;
}

afterEach(async () => {
  await cluster.close();
});

test('apps that are created at the same time have different ids', async () => {
  const created = start();
  const apps = await Promise.all([cluster.createApp(), cluster.createApp(), cluster.createApp()]);
  expect(apps.map(({ appId }) => appId)).toEqual([1_001, 1_002, 1_003]);
  expect(created.toSorted()).toEqual([1_001, 1_002, 1_003]);
});

test('a caller may choose the id of an app', async () => {
  start();
  expect((await cluster.createApp({ appId: 2_000 })).appId).toBe(2_000);
});
