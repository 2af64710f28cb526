/**
 * protocol.md §4, whole `/sync` requests. The captured requests are sent unchanged through the real HTTP pipeline.
 */
import { expect } from '@jest/globals';
import { keccak256 } from '../../src/crypto/hash.ts';
import { p384FromScalar } from '../../src/crypto/p384.ts';
import { openSecret } from '../../src/crypto/sealed-secret.ts';
import type { TeePubkey, Wallet } from '../../src/domain/ids.ts';
import type { WireRecord } from '../../src/domain/records.ts';
import { mergeBatch } from '../../src/sync/merge-batch.ts';
import { inProcessEnclave } from '../support/in-process-enclave.ts';
import { memberOf, startNodeOverHttp, type NodeOverHttp } from '../support/node-over-http.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { describeVectors, type VectorCase } from './suite.ts';

interface Party {
  readonly wallet: { readonly private_key: string; readonly address: Wallet };
  readonly tee: { readonly scalar: string; readonly public_der: TeePubkey };
}

interface Inner {
  readonly status?: string;
  readonly data?: Record<string, WireRecord[]>;
  readonly sealed?: unknown;
  readonly skip_reasons_free?: boolean;
  readonly [field: string]: unknown;
}

interface InboundCase extends VectorCase {
  readonly issued_nonces?: { readonly nonce: string; readonly at: number }[];
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly expect: { readonly status: number | number[]; readonly inner?: Inner; readonly unseals_to?: string };
}

interface SentCase extends VectorCase {
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly inner_json: string;
}

interface SyncFile {
  readonly now_ms: number;
  readonly info: string;
  readonly secret: string;
  readonly a: Party;
  readonly b: Party;
  readonly stranger: Party;
  readonly request_ecdh: { readonly scalar: string };
  readonly b_holds: { readonly app_id: string; readonly record: WireRecord }[];
  readonly a_pushes: { readonly app_id: string; readonly record: WireRecord }[];
  readonly cases: SentCase[];
  readonly inbound: InboundCase[];
}

/** Node b of the file, with its records. It has already issued these nonces. */
async function startB(file: SyncFile, nonces: readonly { nonce: string; at: number }[]): Promise<NodeOverHttp> {
  const node = await startNodeOverHttp({
    nowMs: file.now_ms,
    secret: file.secret,
    info: file.info,
    walletKey: file.b.wallet.private_key,
    teeScalar: file.b.tee.scalar,
    members: [memberOf(file.a.wallet.address, file.a.tee.public_der), memberOf(file.b.wallet.address, file.b.tee.public_der)],
  });
  for (const { nonce, at } of nonces) node.nonces.note(nonce, at);
  const held: Record<string, WireRecord[]> = {};
  for (const { app_id: appId, record } of file.b_holds) (held[appId] ??= []).push(record);
  const report = await mergeBatch(held, node.merging);
  expect(report.rejected).toBe(0);
  return node;
}

async function post(node: NodeOverHttp, request: Pick<InboundCase, 'headers' | 'body'>) {
  const answer = await fetch(`${node.url}/sync`, { method: 'POST', headers: request.headers, body: request.body });
  return { status: answer.status, body: (await answer.json()) as Record<string, string>, headers: answer.headers };
}

/** The inner answer, opened with the key of node a. */
async function open(file: SyncFile, body: Record<string, string>): Promise<Inner> {
  const a = inProcessEnclave({ info: file.info, teeScalar: file.a.tee.scalar }, { random: new SeededRandom('a'), clock: { nowMs: () => file.now_ms } });
  const text = await a.decrypt({ senderPubkey: body['sender_tee_pubkey'] as TeePubkey, nonce: body['nonce']!, encryptedData: body['encrypted_data']! });
  return JSON.parse(text) as Inner;
}

function byKey(data: Record<string, WireRecord[]>): Record<string, WireRecord[]> {
  return Object.fromEntries(
    Object.entries(data).map(([appId, records]) => [appId, [...records].sort((x, y) => (x.key < y.key ? -1 : 1))]),
  );
}

function checkInner(inner: Inner, expected: Inner): void {
  for (const [field, value] of Object.entries(expected)) {
    if (field === 'skip_reasons_free') continue;
    if (field === 'data') expect(byKey(inner.data!)).toEqual(byKey(expected.data!));
    else expect({ [field]: inner[field] }).toEqual({ [field]: value });
  }
}

function unseal(file: SyncFile, sealed: unknown): string | null {
  const opened = openSecret(p384FromScalar(file.request_ecdh.scalar), sealed);
  return opened === null ? null : Buffer.from(opened).toString('hex');
}

describeVectors<SyncFile>('sync-messages.json', ({ file, cases }) => {
  cases(file.inbound, 'inbound', async (vector) => {
    const node = await startB(file, vector.issued_nonces ?? []);
    try {
      const answer = await post(node, vector);
      expect([vector.expect.status].flat()).toContain(answer.status);
      if (answer.status !== 200) {
        expect(Object.keys(answer.body).sort()).toEqual(['code', 'message']);
        return;
      }
      const inner = await open(file, answer.body);
      if (vector.expect.inner !== undefined) checkInner(inner, vector.expect.inner);
      if (vector.expect.unseals_to !== undefined) expect(unseal(file, inner.sealed)).toBe(vector.expect.unseals_to);
    } finally {
      await node.close();
    }
  });

  cases(file.cases, 'captured from another node', async (vector) => {
    const nonce = Object.entries(vector.headers).find(([name]) => name.toLowerCase() === 'x-kms-nonce')![1];
    const node = await startB(file, [{ nonce, at: Math.floor(file.now_ms / 1000) }]);
    try {
      const answer = await post(node, vector);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-kms-peer-signature')).not.toBeNull();
      const inner = await open(file, answer.body);
      const { type } = JSON.parse(vector.inner_json) as { type: string };
      expect(inner.status).toBe('ok');
      if (type === 'master_secret_request') {
        expect(unseal(file, inner.sealed)).toBe(file.secret);
        expect(keccak256(Buffer.from(file.secret, 'hex'))).toBe(node.vault.servingHash());
      }
      if (type === 'snapshot_request') {
        expect(Object.values(inner.data!).flat()).toHaveLength(file.b_holds.length);
      }
      if (type === 'delta') expect(inner['total']).toBe(file.a_pushes.length);
    } finally {
      await node.close();
    }
  });
});
