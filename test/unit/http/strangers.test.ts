/**
 * Behind the platform's ingress (protocol.md §8), all callers have the same address. Strangers there cannot use up the limit of a wallet
 * that the registry authorized within the last day. The sockets are real. The clock does not advance, so no limit is refilled.
 */
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Wallet } from '../../../src/domain/ids.ts';
import { authorizedRecord, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { ProvenCaller } from '../../support/proven-caller.ts';

const PER_MINUTE = 3;
/** The limit of all strangers together. Each authorized wallet has the same limit. */
const TEN_TIMES = 10 * PER_MINUTE;
const DAY_MS = 86_400_000;

const honest = new ProvenCaller('honest app');
const stranger = new ProvenCaller('of no app');

let node: NodeOverHttp;
let lookups: Wallet[];
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

async function start(trustedProxies: readonly string[] = []): Promise<void> {
  node = await startNodeOverHttp({
    http: { rateLimitPerMinute: PER_MINUTE, nonceRateLimitPerMinute: 3, trustedProxies },
    lookup: async (wallet) => {
      lookups.push(wallet);
      const record = authorizedRecord(100n, wallet, honest.teePubkey);
      return wallet === honest.wallet ? record : { ...record, instance: { ...record.instance, id: 0n } };
    },
  });
}

beforeEach(async () => {
  lookups = [];
  await start();
});

afterEach(() => node.close());

async function statusOf(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<number> {
  const request = httpRequest(`${node.url}${path}`, { method, headers, agent });
  request.end(body);
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  return answer.statusCode!;
}

async function derive(caller: ProvenCaller): Promise<number> {
  const { headers, body } = await caller.request(node, 'x-app', { path: 'p' });
  return statusOf('POST', '/kms/derive', headers, body);
}

const list = async (caller: ProvenCaller): Promise<number> => statusOf('GET', '/kms/data', await caller.proof(node, 'x-app'));

/** Sends a request in the name of the honest wallet, signed by a stranger. */
async function forged(): Promise<number> {
  return statusOf('GET', '/kms/data', { ...(await stranger.proof(node, 'x-app')), 'x-app-wallet': honest.wallet });
}

/** Sends a request in which neither the nonce nor the signature is valid. */
const nonsense = (): Promise<number> =>
  statusOf('POST', '/kms/derive', {
    'x-app-signature': `0x${'11'.repeat(65)}`,
    'x-app-nonce': Buffer.alloc(16).toString('base64'),
    'x-app-timestamp': String(Math.floor(node.clock.nowMs() / 1_000)),
    'x-app-wallet': honest.wallet,
  });

const FLOODS: readonly (readonly [string, () => Promise<number>])[] = [
  ['requests for nonces', () => statusOf('GET', '/nonce')],
  ['invalid proofs in the name of the authorized wallet', nonsense],
  ['proofs in the name of the authorized wallet, with valid nonces but signed by a stranger', forged],
  ['valid proofs of a wallet that belongs to no app', () => list(stranger)],
  ['requests without a proof', () => statusOf('GET', '/kms/data')],
  ['requests to routes that do not exist', () => statusOf('GET', '/kms/nothing')],
  ['requests with a method that the route does not accept', () => statusOf('PATCH', '/kms/data')],
  ['requests to /sync without a proof', () => statusOf('POST', '/sync')],
];

async function flood(one: () => Promise<number>, times: number): Promise<number[]> {
  return Promise.all(Array.from({ length: times }, one));
}

describe.each(FLOODS)('a flood of %s', (_, one) => {
  test('does not use up any of the limit of an authorized wallet', async () => {
    expect(await derive(honest)).toBe(200);
    const flooded = flood(one, 3 * TEN_TIMES);
    const derived = await flood(() => derive(honest), TEN_TIMES - 1);
    expect(derived.filter((status) => status !== 200)).toEqual([]);
    await flooded;
    // The wallet's own limit still applies.
    await flood(() => derive(honest), 2);
    expect(await derive(honest)).toBe(429);
  });
});

test('while all floods run at the same time, an authorized wallet can still derive, list and get nonces', async () => {
  expect(await derive(honest)).toBe(200);
  const flooded = Promise.all(FLOODS.map(([, one]) => flood(one, TEN_TIMES)));
  const answers = await Promise.all([flood(() => derive(honest), 14), flood(() => list(honest), 15), flood(() => statusOf('GET', '/nonce'), 20)]);
  expect(answers.flat().filter((status) => status !== 200)).toEqual([]);
  await flooded;
});

describe('strangers together', () => {
  test.each(FLOODS.filter(([name]) => name !== 'requests for nonces'))('are refused when they exceed ten times the limit of one client: %s', async (_, one) => {
    const answers = await flood(one, TEN_TIMES + 20);
    expect(answers.filter((status) => status === 429)).toHaveLength(20);
  });

  test('are refused when they exceed their limit, before the node reads the chain for them', async () => {
    await flood(() => list(stranger), 3 * TEN_TIMES);
    expect(lookups).toHaveLength(TEN_TIMES);
  });

  test('cannot use up the limit of a wallet by claiming to be that wallet', async () => {
    expect(await derive(honest)).toBe(200);
    await flood(forged, 2 * TEN_TIMES);
    const derived = await flood(() => derive(honest), TEN_TIMES);
    expect(derived.filter((status) => status === 200)).toHaveLength(TEN_TIMES);
  });
});

describe('a wallet', () => {
  test('that was never authorized is treated as a stranger', async () => {
    await flood(nonsense, TEN_TIMES);
    expect(await derive(honest)).toBe(429);
  });

  test('is treated as a stranger again a day after its last authorization', async () => {
    await derive(honest);
    await node.clock.advance(DAY_MS - 1_000);
    await flood(nonsense, TEN_TIMES);
    expect(await derive(honest)).toBe(200);
    await node.clock.advance(DAY_MS + 1_000);
    await flood(nonsense, TEN_TIMES);
    expect(await derive(honest)).toBe(429);
  });
});

test('with trusted proxies, the limit applies to the address of a caller before its proof is checked', async () => {
  await node.close();
  await start(['10.0.0.1']);
  const answers = [];
  for (let time = 0; time < PER_MINUTE + 1; time += 1) answers.push(await derive(honest));
  expect(answers.filter((status) => status === 200)).toHaveLength(PER_MINUTE);
  expect([answers.at(-1), node.nonces.used]).toEqual([429, PER_MINUTE]);
});
