/** A cluster that is closing does not start any process. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Anvil } from '../../../src/dev/anvil.ts';
import { ClusterControls } from '../../../src/dev/cluster-controls.ts';
import type { ClusterNode } from '../../../src/dev/cluster-node.ts';
import { Cluster } from '../../../src/dev/cluster.ts';
import type { DevChain } from '../../../src/dev/dev-chain.ts';
import { PeerLinks } from '../../../src/dev/peer-links.ts';
import { TcpRelay } from '../../../src/dev/tcp-relay.ts';

const ends: string[] = [];
let cluster: Cluster;
let node: ClusterNode;

beforeEach(async () => {
  ends.length = 0;
  const address = `0x${'aa'.repeat(20)}`;
  const chain = { url: 'http://127.0.0.1:9', novaAppRegistry: address, kmsRegistry: address } as unknown as DevChain;
  const onNodeEnd = ({ name }: ClusterNode, _: unknown, how: string): void => void ends.push(`${name}: ${how}`);
  cluster = new Cluster({ nodes: 1, onNodeEnd }, { chain, anvil: { stop: async () => undefined } as Anvil });
  node = await cluster.makeNode({}, 9, null);
});

afterEach(async () => {
  await cluster.close();
});

test.each([
  ['closes', () => cluster.close()],
  ['kills all nodes', async () => cluster.killAll()],
])('when the cluster %s, a node that is being restarted is not started again', async (_, end) => {
  const links = await PeerLinks.start(['node-1']);
  const rpc = await TcpRelay.start();
  const controls = new ClusterControls({ cluster, links, rpc, token: '' });
  const { pid } = node.spawn();
  const restarted = controls.restart('node-1').catch((error: unknown) => error);
  const ended = end();
  expect(await restarted).toEqual(new Error('node-1 cannot be started, because the cluster is closing'));
  await ended;
  expect([node.running, node.pid]).toEqual([false, pid]);
  await Promise.all([links.close(), rpc.close()]);
});

test('the end of each process of a node is reported once', async () => {
  for (let times = 0; times < 2; times += 1) {
    node.spawn();
    await node.kill();
  }
  expect(ends).toEqual(['node-1: node-1 ended by SIGKILL', 'node-1: node-1 ended by SIGKILL']);
});
