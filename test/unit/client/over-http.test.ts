/** The client against the real HTTP pipeline of nodes (protocol.md §2, §3): sockets, gate, authentication, envelope, answers. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { createKmsClient, KmsClientError } from '../../../src/client/index.ts';
import type { TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import { DependencyError } from '../../../src/domain/errors.ts';
import { reason, REASONS } from '../../../src/domain/reasons.ts';
import { systemClock } from '../../../src/system/system.ts';
import { authorizedRecord, memberOf } from '../../support/members.ts';
import { READY, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Two nodes that hold one secret, and an app that both know once it is registered. */
async function start() {
  const registered = new Map<Wallet, TeePubkey>();
  const registry = { down: false };
  const lookup = async (wallet: Wallet) => {
    if (registry.down) throw new DependencyError('chain', 'unreachable', 'the RPC cannot be read');
    const record = authorizedRecord(100n, wallet, registered.get(wallet) ?? '');
    return registered.has(wallet) ? record : { instance: { ...record.instance, id: 0n }, app: null, version: null };
  };
  const nodes: NodeOverHttp[] = [];
  for (const digit of ['21', '22']) {
    const keys = { walletKey: digit.repeat(32), teeScalar: digit.repeat(48) };
    const node = await startNodeOverHttp({ nowMs: systemClock.nowMs(), ...keys, lookup });
    closers.push(() => node.close());
    nodes.push(node);
  }
  const members = nodes.map(({ identity, url }) => memberOf(identity.wallet, identity.teePubkey, url));
  const client = createKmsClient({
    registry: `0x${'0f'.repeat(20)}`,
    chain: { source: { readMembership: async () => ({ members }) } },
    identity: { privateKey: '31'.repeat(32) },
    inEnclave: false,
  });
  closers.push(() => client.close());
  const { wallet, teePubkey } = await client.identity();
  registered.set(wallet, teePubkey);
  return { client, nodes, registered, registry, wallet };
}

async function failureOf(call: Promise<unknown>): Promise<KmsClientError> {
  const error = await call.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KmsClientError);
  return error as KmsClientError;
}

describe('an app', () => {
  test('gets the same key from every node, and another for another path', async () => {
    const { client, nodes } = await start();
    const keys = await Promise.all(nodes.map(({ url }) => client.derive({ path: 'sessions' }, { node: url })));
    expect(keys[0]!.key).toEqual(keys[1]!.key);
    expect(keys.map(({ node }) => node.url)).toEqual(nodes.map(({ url }) => url));
    expect((await client.derive({ path: 'other' })).key).not.toEqual(keys[0]!.key);
    expect((await client.derive({ path: 'sessions', length: 64 })).key).toHaveLength(64);
  });

  test('is answered by the other node while one is not ready', async () => {
    const { client, nodes } = await start();
    nodes[0]!.state.view = { ...READY, state: 'syncing-secret', reason: reason(REASONS.secretSyncFailed) };
    for (let call = 0; call < 3; call += 1) expect((await client.derive({ path: 'p' })).node.url).toBe(nodes[1]!.url);
  });

  test('is answered by the other node when one is gone', async () => {
    const { client, nodes } = await start();
    await nodes[0]!.close();
    for (let call = 0; call < 3; call += 1) expect((await client.derive({ path: 'p' })).node.url).toBe(nodes[1]!.url);
  });

  test('cannot derive its own data key (§9.14)', async () => {
    const { client } = await start();
    expect(await failureOf(client.derive({ path: 'data_key' }))).toMatchObject({ code: 'refused', status: 400, serverCode: 'bad_request' });
  });

  test('that is not registered is refused', async () => {
    const { client, registered } = await start();
    registered.clear();
    expect(await failureOf(client.derive({ path: 'p' }))).toMatchObject({ code: 'refused', status: 403, serverCode: 'forbidden' });
  });

  test('is not refused for a chain that cannot be read: nobody is available', async () => {
    const { client, registry } = await start();
    registry.down = true;
    const error = await failureOf(client.derive({ path: 'p' }, { timeoutMs: 500 }));
    expect(['unavailable', 'timeout']).toContain(error.code);
    expect(error.attempts.every(({ failure }) => failure === 'unready')).toBe(true);
  });
});
