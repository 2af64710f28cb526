/** `GET /audit`, and which requests the audit log records (docs/audit.md), over real HTTP. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AUDIT_LIMITS, AuditTrail } from '../../../src/audit/trail.ts';
import { appAuthMessage, peerAuthMessage } from '../../../src/crypto/messages.ts';
import { generateP384 } from '../../../src/crypto/p384.ts';
import { canonicalJson } from '../../../src/crypto/canonical-json.ts';
import { toWireEnvelope } from '../../../src/domain/envelope.ts';
import { waitUntil } from '../../../src/dev/waiting.ts';
import type { AppId } from '../../../src/domain/ids.ts';
import { inProcessEnclave } from '../../support/in-process-enclave.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { authorizedRecord, memberOf, startNodeOverHttp, type NodeOverHttp } from '../../support/node-over-http.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { pageOf } from '../audit/audit-of.ts';

const APP = 100;
const TOKEN = 'the-token-of-an-auditor';
const tokenHash = createHash('sha256').update(TOKEN).digest();

const app = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('app'), clock: new ManualClock() });
const peer = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { random: new SeededRandom('peer'), clock: new ManualClock() });

let node: NodeOverHttp;
let trail: AuditTrail;
/** What has happened so far: each finished answer and each report that a page was sent, in order. */
const events: string[] = [];
beforeEach(async () => {
  events.length = 0;
  trail = new AuditTrail(AUDIT_LIMITS, { clock: new ManualClock(), random: new SeededRandom('trail'), tagOf: (kind, appId, text) => node.vault.auditTag(kind, appId, text), onUnsigned: () => undefined });
  node = await startNodeOverHttp({
    listener: (real) => (request, response) => {
      response.once('finish', () => events.push(`${request.method} finished`));
      real(request, response);
    },
    lookup: async (of) => authorizedRecord(BigInt(APP), of, app.emulated.teePubkey),
    members: [memberOf(peer.emulated.wallet, peer.emulated.teePubkey, 'https://peer.test')],
    audit: { audit: trail, http: { tokenHash, reader: trail, onSent: (after, limit) => void events.push(`sent ${after} ${limit}`) } },
  });
});
afterEach(() => node.close());

async function ask(method: string, path: string, inner: object, headers: Readonly<Record<string, string>> = {}, signal: AbortSignal | null = null): Promise<number> {
  const nonce = node.nonces.issue();
  const timestamp = String(Math.floor(node.clock.nowMs() / 1_000));
  const signature = await app.sign(appAuthMessage(nonce, node.identity.wallet, timestamp));
  const body = JSON.stringify(toWireEnvelope(await app.encrypt(JSON.stringify(inner), node.identity.teePubkey)));
  const { status } = await fetch(`${node.url}${path}`, { method, headers: { 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp, ...headers }, body, signal });
  return status;
}

async function askAsPeer(inner: object): Promise<number> {
  const nonce = node.nonces.issue();
  const timestamp = String(Math.floor(node.clock.nowMs() / 1_000));
  const signature = await peer.sign(peerAuthMessage(nonce, node.identity.wallet, timestamp));
  const envelope = toWireEnvelope(await peer.encrypt(JSON.stringify(inner), node.identity.teePubkey));
  const headers = { 'x-kms-signature': signature, 'x-kms-nonce': nonce, 'x-kms-timestamp': timestamp, 'x-sync-signature': node.vault.syncHmac(canonicalJson(envelope)) };
  return (await fetch(`${node.url}/sync`, { method: 'POST', headers, body: JSON.stringify(envelope) })).status;
}

/** Waits for this number of audit entries. An entry is written after the answer, so the caller may see the answer first. */
async function entriesOnce(count: number) {
  await waitUntil({ what: `${count} audit entries`, timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (trail.last.sequence > count ? null : `there are ${trail.last.sequence - 1}`));
  return pageOf(trail, 1).entries;
}

const authorized = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });

describe('GET /audit', () => {
  test.each<[string, RequestInit]>([
    ['no token', {}],
    ['the wrong token', authorized(`${TOKEN}.`)],
    ['the hash of the token', authorized(tokenHash.toString('hex'))],
    ['a token that is not a bearer token', { headers: { authorization: `Basic ${TOKEN}` } }],
    ['a token that is far too long', authorized('a'.repeat(2_000))],
  ])('with %s is answered with 401 and reveals nothing from the audit log', async (_, init) => {
    const answer = await fetch(`${node.url}/audit`, init);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="audit"');
    expect(await answer.json()).toEqual({ code: 'unauthorized', message: 'the token for audit is missing or wrong' });
  });

  test('with the right token returns a page', async () => {
    const answer = await fetch(`${node.url}/audit`, authorized(TOKEN));
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([200, 'application/json; charset=utf-8', 'no-store']);
    expect(await answer.json()).toEqual(pageOf(trail, 0));
  });

  test('returns the requested number of entries after the requested sequence number, but at most 1,000', async () => {
    for (let number = 0; number < 1_100; number += 1) trail.record({ operation: 'stop', wallet: null, appId: null, target: null, outcome: 'ok' });
    const sizes: number[] = [];
    for (const query of ['after=2&limit=3', 'after=2', 'after=2&limit=5000', 'after=5000']) {
      const page = (await (await fetch(`${node.url}/audit?${query}`, authorized(TOKEN))).json()) as { readonly entries: readonly { readonly seq: number }[] };
      sizes.push(page.entries.length);
      if (page.entries.length > 0) expect(page.entries[0]!.seq).toBe(3);
    }
    expect(sizes).toEqual([3, 1_000, 1_000, 0]);
  });

  test.each(['after=-1', 'after=x', 'after=', 'after=9007199254740992', 'limit=9007199254740992', 'limit=0', 'limit=1.5', 'after=1&after=2'])('refuses ?%s with 400', async (query) => {
    expect((await fetch(`${node.url}/audit?${query}`, authorized(TOKEN))).status).toBe(400);
  });

  test('reports each page after it has been sent, but does not report answers without a page', async () => {
    const others: RequestInit[] = [{ ...authorized(TOKEN), method: 'HEAD' }, { ...authorized(TOKEN), method: 'OPTIONS' }, {}];
    for (const init of others) await fetch(`${node.url}/audit?after=1`, init);
    await fetch(`${node.url}/audit?after=x`, authorized(TOKEN));
    await fetch(`${node.url}/audit?after=2&limit=3`, authorized(TOKEN));
    await waitUntil({ what: 'the report', timeoutMs: WAIT_TIMEOUT_MS, everyMs: 5 }, async () => (events.includes('sent 2 3') ? null : events.join(', ')));
    expect(events.slice(-2)).toEqual(['GET finished', 'sent 2 3']);
    expect(events.filter((event) => event.startsWith('sent'))).toHaveLength(1);
  });

  test('accepts only GET, and is still answered while the node shuts down', async () => {
    node.state.stopping = true;
    expect((await fetch(`${node.url}/audit`, authorized(TOKEN))).status).toBe(200);
    expect((await fetch(`${node.url}/audit`, { ...authorized(TOKEN), method: 'POST' })).status).toBe(405);
    expect((await fetch(`${node.url}/health`)).status).toBe(503);
  });

  test('is not a route when no token is configured', async () => {
    const other = await startNodeOverHttp();
    expect((await fetch(`${other.url}/audit`, authorized(TOKEN))).status).toBe(404);
    await other.close();
  });
});

describe('the audit log records', () => {
  test('derive, put and delete, with the caller, a tag instead of the path or key, and the outcome', async () => {
    expect(await ask('POST', '/kms/derive', { path: 'a path', context: 'c' })).toBe(200);
    expect(await ask('POST', '/kms/derive', { path: '' })).toBe(400);
    expect(await ask('PUT', '/kms/data', { key: 'a key', value: '' })).toBe(200);
    expect(await ask('DELETE', '/kms/data', { key: 'a key' })).toBe(200);
    expect(await ask('DELETE', '/kms/data', { key: 'a key' })).toBe(404);
    expect(await ask('DELETE', '/kms/data', { key: 'a key' }, { 'x-nova-sealed-errors': '1' })).toBe(404);
    expect(await ask('DELETE', '/kms/data', { key: 'a key', op: 'put' })).toBe(400);
    const derive = node.vault.auditTag('derive', APP as AppId, 'a path:c');
    const data = node.vault.auditTag('data', APP as AppId, 'a key');
    expect((await entriesOnce(7)).map(({ op, outcome, target }) => [op, outcome, target])).toEqual([
      ['derive', 'ok', derive],
      ['derive', 'bad_request', null],
      ['put', 'ok', data],
      ['delete', 'ok', data],
      ['delete', 'not_found', data],
      ['delete', 'not_found', data],
      ['delete', 'bad_request', data],
    ]);
    expect(pageOf(trail, 1).entries.every(({ wallet, app_id: appId }) => wallet === app.emulated.wallet && appId === APP)).toBe(true);
    expect(trail.page(0, 1_000)).not.toMatch(/a path|a key/);
  });

  test('each handover of the secret and each page of a snapshot, but no other message from a peer', async () => {
    const { publicKeyDer } = generateP384(new SeededRandom('ephemeral'));
    expect(await askAsPeer({ type: 'digest_request' })).toBe(200);
    expect(await askAsPeer({ type: 'master_secret_request', ecdh_pubkey: publicKeyDer })).toBe(200);
    expect(await askAsPeer({ type: 'master_secret_request' })).toBe(400);
    expect(await askAsPeer({ type: 'snapshot_request' })).toBe(200);
    const of = { app_id: null, target: null, wallet: peer.emulated.wallet };
    expect(await entriesOnce(3)).toMatchObject([
      { ...of, op: 'hand_over', outcome: 'ok' },
      { ...of, op: 'hand_over', outcome: 'bad_request' },
      { ...of, op: 'snapshot', outcome: 'ok' },
    ]);
  });

  test('only requests from callers that have proved their identity', async () => {
    for (const path of ['/kms/derive', '/sync']) expect((await fetch(`${node.url}${path}`, { method: 'POST', body: '{}' })).status).toBe(403);
    expect(await ask('POST', '/kms/derive', { path: 'p' }, { 'x-app-timestamp': '1' })).toBe(403);
    expect(await ask('POST', '/kms/derive', { path: 'p' })).toBe(200);
    expect(await entriesOnce(1)).toHaveLength(1);
  });

  test('a request as unanswered if its caller hangs up while the registry is being read', async () => {
    await node.close();
    const registry = Promise.withResolvers<undefined>();
    const caller = new AbortController();
    const closed = Promise.withResolvers<undefined>();
    node = await startNodeOverHttp({
      lookup: async (of) => {
        caller.abort();
        await registry.promise;
        return authorizedRecord(BigInt(APP), of, app.emulated.teePubkey);
      },
      listener: (real) => (request, response) => {
        response.once('close', () => closed.resolve(undefined));
        real(request, response);
      },
      audit: { audit: trail, http: { tokenHash, reader: trail, onSent: () => undefined } },
    });
    await expect(ask('PUT', '/kms/data', { key: 'k', value: '' }, {}, caller.signal)).rejects.toThrow('aborted');
    await closed.promise;
    registry.resolve(undefined);
    expect(await entriesOnce(1)).toMatchObject([{ op: 'put', outcome: 'unanswered', target: null, wallet: app.emulated.wallet }]);
  });

  test('no reads of values', async () => {
    expect(await ask('PUT', '/kms/data', { key: 'k', value: '' })).toBe(200);
    const nonce = node.nonces.issue();
    const timestamp = String(Math.floor(node.clock.nowMs() / 1_000));
    const signature = await app.sign(appAuthMessage(nonce, node.identity.wallet, timestamp));
    const read = await fetch(`${node.url}/kms/data/k`, { headers: { 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp } });
    expect(read.status).toBe(200);
    expect(await ask('DELETE', '/kms/data', { key: 'k' })).toBe(200);
    expect((await entriesOnce(2)).map(({ op }) => op)).toEqual(['put', 'delete']);
  });
});
