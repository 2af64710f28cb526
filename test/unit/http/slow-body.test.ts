/** A body may arrive slowly. Therefore, when it is complete, the node repeats the checks that it made at the start (protocol.md §2, §4). */
import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { appAuthMessage, peerAuthMessage } from '../../../src/crypto/messages.ts';
import { generateP384 } from '../../../src/crypto/p384.ts';
import { toWireEnvelope } from '../../../src/domain/envelope.ts';
import { REASONS, reason } from '../../../src/domain/reasons.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, memberOf, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const nodes: NodeOverHttp[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

async function startWithCaller() {
  const caller = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('caller'), clock: new ManualClock() });
  const { wallet, teePubkey } = caller.emulated;
  const member = memberOf(wallet, teePubkey);
  const node = await startNodeOverHttp({ members: [member], lookup: async (of) => authorizedRecord(100n, of, teePubkey) });
  nodes.push(node);
  return { node, caller, member };
}

type Started = Awaited<ReturnType<typeof startWithCaller>>;

/** Sends a request that is valid when it begins, and returns its status. `meanwhile` runs between the two parts of the body. */
async function statusOf({ node, caller }: Started, how: { readonly method: string; readonly path: string; readonly inner: object }, meanwhile: () => void): Promise<number> {
  const nonce = node.nonces.issue();
  const seconds = String(Math.floor(node.clock.nowMs() / 1_000));
  const [message, prefix] = how.path === '/sync' ? [peerAuthMessage, 'x-kms'] : [appAuthMessage, 'x-app'];
  const signature = await caller.sign(message(nonce, node.identity.wallet, seconds));
  const body = JSON.stringify(toWireEnvelope(await caller.encrypt(JSON.stringify(how.inner), node.identity.teePubkey)));
  const proof = { [`${prefix}-signature`]: signature, [`${prefix}-nonce`]: nonce, [`${prefix}-timestamp`]: seconds };
  const request = httpRequest(`${node.url}${how.path}`, { method: how.method, headers: { ...proof, 'content-length': Buffer.byteLength(body) } });
  request.write(body.slice(0, 50));
  // A used nonce proves that the proof was checked.
  await waitUntil({ what: 'the check of the proof', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (node.nonces.used > 0 ? null : 'the proof has not been checked yet'));
  meanwhile();
  request.end(body.slice(50));
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode!;
}

const REQUESTS = [
  { method: 'PUT', path: '/kms/data', inner: { key: 'k', value: 'AAAA' } },
  { method: 'POST', path: '/kms/derive', inner: { path: 'p' } },
];

test.each(REQUESTS)('$method $path is refused and changes nothing if the node becomes ineligible while the body arrives', async (how) => {
  const started = await startWithCaller();
  const { node } = started;
  const status = await statusOf(started, how, () => {
    node.state.view = { ...node.state.view, state: 'ineligible', reason: reason(REASONS.selfNotInNodeList) };
  });
  expect([status, node.store.lastSequenceNumber]).toEqual([503, 0]);
});

test.each(REQUESTS)('$method $path is answered if the node is still ready', async (how) => {
  expect(await statusOf(await startWithCaller(), how, () => undefined)).toBe(200);
});

test('a value is not returned if the node becomes ineligible while it looks up the caller', async () => {
  const caller = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('caller'), clock: new ManualClock() });
  const { teePubkey } = caller.emulated;
  const node: NodeOverHttp = await startNodeOverHttp({
    lookup: async (of) => {
      node.state.view = { ...node.state.view, state: 'ineligible', reason: reason(REASONS.selfNotInNodeList) };
      return authorizedRecord(100n, of, teePubkey);
    },
  });
  nodes.push(node);
  const nonce = node.nonces.issue();
  const seconds = String(Math.floor(node.clock.nowMs() / 1_000));
  const signature = await caller.sign(appAuthMessage(nonce, node.identity.wallet, seconds));
  const headers = { 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': seconds };
  expect((await fetch(`${node.url}/kms/data?key=k`, { headers })).status).toBe(503);
});

const ASKING = { method: 'POST', path: '/sync', inner: { type: 'master_secret_request', ecdh_pubkey: generateP384(new SeededRandom('ephemeral')).publicKeyDer } };
const handedOut = ({ log }: NodeOverHttp): boolean => JSON.stringify(log.lines).includes('master secret handed to a member');

test('the master secret is sent to a caller that is still a member', async () => {
  const started = await startWithCaller();
  expect([await statusOf(started, ASKING, () => undefined), handedOut(started.node)]).toEqual([200, true]);
});

test.each<[string, (started: Started) => void, number]>([
  ['stops being a member during the request', ({ node }) => node.peerCache.update({ block: 2n, members: [], dropped: [] }), 403],
  ['gets a different enclave during the request', ({ node, member }) => node.peerCache.update({ block: 2n, members: [{ ...member, teePubkey: 'ab'.repeat(120) as typeof member.teePubkey }], dropped: [] }), 403],
  ['is known only from an older read, because its registry entry could not be read again during the request', ({ node, member }) => node.peerCache.update({ block: 2n, members: [{ ...member, asLastRead: true }], dropped: [] }), 503],
  ['asks a node whose secret is no longer confirmed at the end of the request', ({ node }) => void (node.state.view = { ...node.state.view, state: 'bootstrapping', secretConfirmed: false }), 503],
])('the master secret is not sent to a member that %s', async (_, meanwhile, status) => {
  const started = await startWithCaller();
  expect([await statusOf(started, ASKING, () => meanwhile(started)), handedOut(started.node)]).toEqual([status, false]);
});
