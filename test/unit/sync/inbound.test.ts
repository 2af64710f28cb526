/** The answers of a node to its peers (protocol.md §4, /sync; §10, First snapshot, Pages, store_id and request_id). */
import { describe, expect, test } from '@jest/globals';
import { generateP384 } from '../../../src/crypto/p384.ts';
import { openSecret } from '../../../src/crypto/sealed-secret.ts';
import { Vault } from '../../../src/crypto/vault.ts';
import { RefusalError } from '../../../src/domain/errors.ts';
import type { StoreId, TeePubkey, Wallet } from '../../../src/domain/ids.ts';
import type { MergeVerdict, WalkRequest, WireRecord } from '../../../src/domain/records.ts';
import type { FirstSnapshotState } from '../../../src/domain/readiness.ts';
import { PeerCache } from '../../../src/registry/peer-cache.ts';
import { Staleness } from '../../../src/sync/staleness.ts';
import { SyncInbound } from '../../../src/sync/inbound.ts';
import type { SyncStore } from '../../../src/sync/ports.ts';
import { Replicas } from '../../../src/sync/replicas.ts';
import { SECRET } from '../../support/asking-node.ts';
import { collectingLog } from '../../support/collecting-log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memberOf } from '../../support/members.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const WALLET = `0x${'ab'.repeat(20)}` as Wallet;
const SENDER = memberOf(WALLET, 'aa' as TeePubkey);
const TTL_MS = 180_000;
const PAGE_BYTES = 8 * 1024 * 1024;
const RECEIVER = generateP384(new SeededRandom('receiver'));

interface StartOptions {
  readonly isSure?: boolean;
  readonly holdsSecret?: boolean;
  readonly firstSnapshot?: FirstSnapshotState;
  readonly mayHandOut?: boolean;
  /** Keys of the records in the store. Each record has at least 1,000 bytes. */
  readonly holds?: readonly string[];
}

const RETENTION_MS = 86_400_000;
const nobodyAsks = (): never => {
  throw new Error('this test must not call this method of the store');
};

function recordOf(key: string): WireRecord {
  return { key, value: 'ab'.repeat(500), version: { w: 1 }, updated_at_ms: 1, tombstone: false, ttl_ms: 0 };
}

/** A store that merges keys like `m1`, skips keys like `s1` and rejects all others. A cursor is the number of the next record. */
function storeOf(holds: readonly string[], walks: WalkRequest[], merged: string[]): SyncStore {
  return {
    storeId: '00112233aabbccdd' as StoreId,
    heldBytes: holds.length * 1_000,
    letAge: () => undefined,
    merge: (_, wire): MergeVerdict => {
      const { key } = wire as WireRecord;
      if (key.startsWith('m')) {
        merged.push(key);
        return { kind: 'merged' };
      }
      return key.startsWith('s') ? { kind: 'skipped', why: 'ignored_existing_newer_time' } : { kind: 'rejected', why: 'malformed' };
    },
    *walk(request) {
      walks.push(request);
      for (let at = Number(request.cursor ?? 0); at < holds.length; at += 1) {
        yield { appId: '100', record: recordOf(holds[at]!), cursor: String(at + 1) };
      }
    },
    recordOf: nobodyAsks,
    digestOf: nobodyAsks,
    writesAfter: nobodyAsks,
    noteTaken: nobodyAsks,
    isUnseen: nobodyAsks,
    forget: nobodyAsks,
    forgetOverdue: nobodyAsks,
    writes: { totals: () => ({ records: 0, bytes: 0 }), listen: () => () => undefined },
    rootDigest: () => 'root',
    appIds: () => ['100'],
    appDigest: (appId) => `digest of ${appId}`,
    bucketDigests: (appId) => [`buckets of ${appId}`],
  };
}

function start({ isSure = false, holdsSecret = true, firstSnapshot = 'complete', holds = ['k1', 'k2'], mayHandOut = true }: StartOptions = {}) {
  const clock = new ManualClock();
  const log = collectingLog();
  const random = new SeededRandom('vault');
  const vault = new Vault({ random });
  if (holdsSecret) vault.serve(vault.hold(Uint8Array.from(SECRET)));
  const directory = new PeerCache({ clock });
  directory.update({ block: 1n, members: [SENDER], dropped: [] });
  const walks: WalkRequest[] = [];
  const merged: string[] = [];
  const store = storeOf(holds, walks, merged);
  const staleness = new Staleness({ retentionMs: RETENTION_MS }, { clock, lastSequenceNumber: () => 0, acknowledgedByAny: () => 0 });
  staleness.noteMembers(1);
  const replicas = new Replicas({ clock, random, store });
  let nonces = 0;
  const inbound = new SyncInbound(
    { peerCacheTtlMs: TTL_MS },
    {
      clock,
      log,
      vault,
      directory,
      store,
      staleness,
      replicas,
      yieldNow: async () => undefined,
      issueNonce: () => `nonce ${++nonces}`,
      mayHandOut: () => mayHandOut,
      onHandedOut: () => undefined,
      firstSnapshot: () => firstSnapshot,
      isSure: () => isSure,
    },
  );
  const handle = async (message: Record<string, unknown>, sender = SENDER) => (await inbound.handle(sender, message)) as Record<string, unknown>;
  return { clock, log, vault, inbound, walks, merged, staleness, replicas, handle };
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RefusalError);
  return (error as RefusalError).code;
}

const secretRequest = { type: 'master_secret_request', ecdh_pubkey: RECEIVER.publicKeyDer };

describe('the field "sure": true', () => {
  test.each([
    ['a snapshot', { type: 'snapshot_request' }],
    ['the root', { type: 'digest_request' }],
    ['a page of the apps', { type: 'digest_request', apps: true }],
    ['the buckets of an app', { type: 'digest_request', app: '100' }],
  ])('is in %s if the node is sure, and absent otherwise', async (_, message) => {
    expect((await start({ isSure: true }).handle(message))['sure']).toBe(true);
    expect(await start({ isSure: false }).handle(message)).not.toHaveProperty('sure');
  });

  test('is never in the answer to a delta', async () => {
    expect(await start({ isSure: true }).handle({ type: 'delta', data: {} })).not.toHaveProperty('sure');
  });
});

test('the master secret is not handed out while the view of the chain is too old', async () => {
  expect(await codeOf(start({ mayHandOut: false }).handle(secretRequest))).toBe('service_unavailable');
  expect(await start({ mayHandOut: true }).handle(secretRequest)).toHaveProperty('sealed');
});

describe('every answer', () => {
  test('contains the status, the store_id, a next nonce, and the request_id of the request', async () => {
    const { handle } = start();
    const answer = await handle({ type: 'delta', data: {}, request_id: 'f'.repeat(32) });
    expect(answer).toMatchObject({ status: 'ok', store_id: '00112233aabbccdd', next_nonce: 'nonce 1', request_id: 'f'.repeat(32) });
  });

  test.each([undefined, 17, '', 'x'.repeat(65), 'not an id', { a: 1 }])('contains no request_id when the request_id of the request is not valid: %j', async (id) => {
    expect(await start().handle({ type: 'delta', data: {}, request_id: id })).not.toHaveProperty('request_id');
  });
});

describe('sender_wallet', () => {
  test.each<[string, unknown]>([
    ['absent', undefined],
    ['the signer', WALLET],
    ['the signer in checksummed form', `0x${'aB'.repeat(20)}`],
  ])('may be %s', async (_, senderWallet) => {
    expect(await start().handle({ type: 'delta', data: {}, sender_wallet: senderWallet })).toMatchObject({ status: 'ok' });
  });

  test.each<[string, unknown]>([
    ['a different wallet', `0x${'cd'.repeat(20)}`],
    ['a wallet without 0x', 'ab'.repeat(20)],
    ['not a wallet', 'me'],
    ['not a string', 17],
    ['null', null],
    ['empty', ''],
  ])('is refused with 403 in every type of message when it is %s', async (_, senderWallet) => {
    const { handle, merged, walks } = start();
    const delta = { type: 'delta', data: { '100': [recordOf('m')] } };
    for (const message of [delta, { type: 'snapshot_request' }, { type: 'digest_request' }, secretRequest]) {
      expect(await codeOf(handle({ ...message, sender_wallet: senderWallet }))).toBe('forbidden');
    }
    expect([...merged, ...walks]).toEqual([]);
  });
});

describe('before a message is handled,', () => {
  test.each<[string, unknown]>([
    ['not required', 'master_secret_request'],
    ['required', 'snapshot_request'],
    ['required', 'delta'],
    ['required', 'digest_request'],
    ['required', 'MASTER_SECRET_REQUEST'],
    ['required', undefined],
    ['required', ['master_secret_request']],
  ])('a valid HMAC is %s if its type is %j', (need, type) => {
    expect(start().inbound.requiresHmac({ type })).toBe(need === 'required');
  });

describe('the memory that is reserved for the answer', () => {
  const LARGE = Array.from({ length: 9_000 }, (_, at) => `key ${at}`);

  test.each<[string, readonly string[], Record<string, unknown>, number | null]>([
    ['is enough for a page of 8 MiB', LARGE, { type: 'snapshot_request' }, 4 * 1024 * 1024 - 512],
    ['is limited to a smaller page if the peer requests a smaller page', LARGE, { type: 'snapshot_request', max_bytes: 512 * 1024 }, 256 * 1024 - 512],
    ['is limited to the size of a small store', ['one', 'two'], { type: 'snapshot_request' }, 4_000],
    ['is zero for a request that will be refused', LARGE, { type: 'snapshot_request', max_bytes: 'much' }, 0],
    ['is needed only for snapshot requests', LARGE, { type: 'delta' }, null],
  ])('%s', (_, holds, message, chars) => {
    expect(start({ holds }).inbound.snapshotChars(message)).toBe(chars);
  });
});
});

describe('an unknown type', () => {
  test.each<[unknown]>([['digest'], ['Delta'], [''], [17], [undefined], [null], [['delta']], ['__proto__'], ['constructor']])('%j is refused with 400', async (type) => {
    expect(await codeOf(start().handle({ type, data: {} }))).toBe('bad_request');
  });
});

describe('the master secret', () => {
  test('is sealed to the ephemeral key of the request, and the log contains only the wallet of the member', async () => {
    const { handle, log } = start();
    const answer = await handle(secretRequest);
    expect(openSecret(RECEIVER, answer['sealed'])).toEqual(SECRET);
    expect(log.lines).toEqual([{ level: 'info', room: 'node', sentence: 'master secret handed to a member', facts: { member: WALLET } }]);
  });

  test.each<[string, unknown]>([
    ['missing', undefined],
    ['not hex', 'zz'],
    ['prefixed with 0x', `0x${RECEIVER.publicKeyDer}`],
    ['not a key', 'abcd'],
    ['empty', ''],
    ['not a string', 17],
  ])('is not handed out if ecdh_pubkey is %s; the request is then refused with 400', async (_, key) => {
    expect(await codeOf(start().handle({ ...secretRequest, ecdh_pubkey: key }))).toBe('bad_request');
  });

  test('is handed out until the membership reaches its maximum age; after that, requests for it are refused with 503', async () => {
    const { clock, handle } = start();
    await clock.advance(TTL_MS);
    expect(await handle(secretRequest)).toHaveProperty('sealed');
    await clock.advance(1);
    expect(await codeOf(handle(secretRequest))).toBe('service_unavailable');
  });

  test('is not handed out to a member whose registry entry may be out of date', async () => {
    const { handle } = start();
    expect(await codeOf(handle(secretRequest, { ...SENDER, asLastRead: true }))).toBe('service_unavailable');
    expect(await handle(secretRequest)).toHaveProperty('sealed');
  });

  test('is not handed out before the chain hash confirms it (§9.2)', async () => {
    const { handle } = start({ holdsSecret: false });
    expect(await codeOf(handle(secretRequest))).toBe('service_unavailable');
  });
});

describe('a snapshot', () => {
  const keysOf = (answer: Record<string, unknown>): string[] =>
    Object.values(answer['data'] as Record<string, WireRecord[]>).flat().map(({ key }) => key);

  test('contains all records, unchanged, when they fit', async () => {
    expect(await start().handle({ type: 'snapshot_request' })).toMatchObject({ data: { '100': [recordOf('k1'), recordOf('k2')] } });
  });

  test('is sent in pages, from cursor to cursor, and no page is larger on the wire than requested', async () => {
    const holds = Array.from({ length: 25 }, (_, number) => `k${number}`);
    const { handle } = start({ holds });
    const got: string[] = [];
    let cursor: unknown;
    let pages = 0;
    do {
      const answer = await handle({ type: 'snapshot_request', max_bytes: 16_384, ...(cursor === undefined ? {} : { cursor }) });
      // In the envelope, each byte of the inner text becomes two hex digits, and the envelope adds its own fields.
      expect(2 * Buffer.byteLength(JSON.stringify(answer)) + 512).toBeLessThanOrEqual(16_384);
      got.push(...keysOf(answer));
      cursor = answer['next_cursor'];
      pages += 1;
    } while (cursor !== undefined && pages < holds.length);
    expect(got).toEqual(holds);
    expect(pages).toBeGreaterThan(1);
  });

  test('for a peer that does not request pages contains the records that fit into 8 MiB, and has no cursor', async () => {
    const holds = Array.from({ length: 5_000 }, (_, number) => `k${number}`);
    const answer = await start({ holds }).handle({ type: 'snapshot_request' });
    expect(answer).not.toHaveProperty('next_cursor');
    const wireBytes = 2 * Buffer.byteLength(JSON.stringify(answer)) + 512;
    expect(wireBytes).toBeLessThanOrEqual(PAGE_BYTES);
    expect(wireBytes).toBeGreaterThan(PAGE_BYTES - 16_384);
  });

  test('is no larger than 8 MiB, even if the peer requests more', async () => {
    const holds = Array.from({ length: 5_000 }, (_, number) => `k${number}`);
    const answer = await start({ holds }).handle({ type: 'snapshot_request', max_bytes: 2 ** 40 });
    expect(2 * Buffer.byteLength(JSON.stringify(answer)) + 512).toBeLessThanOrEqual(PAGE_BYTES);
    expect(answer).toHaveProperty('next_cursor');
  });

  test('may be limited to some buckets of an app', async () => {
    const { handle, walks } = start();
    await handle({ type: 'snapshot_request', app: '100', buckets: [0, 255] });
    expect(walks).toEqual([{ app: '100', buckets: [0, 255] }]);
  });

  test.each<[string, FirstSnapshotState, boolean | undefined]>([
    ['has no field `complete`', 'complete', undefined],
    ['contains complete: false', 'missing', false],
    ['contains complete: false', 'none', false],
  ])('%s if the first snapshot of the node has the state "%s"', async (_, firstSnapshot, complete) => {
    expect((await start({ firstSnapshot }).handle({ type: 'snapshot_request' }))['complete']).toBe(complete);
  });

  test.each<[string, Record<string, unknown>]>([
    ['a size that is not a number', { max_bytes: '65536' }],
    ['a size that is not a whole number', { max_bytes: 65_536.5 }],
    ['a size that is too small for any record', { max_bytes: 0 }],
    ['a cursor that is not a string', { cursor: 17 }],
    ['a cursor that is too long', { cursor: 'c'.repeat(4_097) }],
    ['an app that is not a number', { app: '../100' }],
    ['buckets but no app (which would need a long walk through all apps)', { buckets: [0] }],
    ['an empty list of buckets but no app', { buckets: [] }],
    ['an invalid bucket', { app: '100', buckets: [256] }],
    ['more buckets than an app has', { app: '100', buckets: Array.from({ length: 257 }, () => 1) }],
  ])('is not sent if the request has %s; the request is then refused with 400', async (_, request) => {
    const { handle, walks } = start();
    expect(await codeOf(handle({ type: 'snapshot_request', ...request }))).toBe('bad_request');
    expect(walks).toEqual([]);
  });
});

describe('a delta', () => {
  test('is merged record by record, and the answer reports the outcome', async () => {
    const { handle, merged } = start();
    const data = { '100': ['m1', 's1', 'bad'].map(recordOf), '200': ['m2'].map(recordOf) };
    expect(await handle({ type: 'delta', data })).toMatchObject({
      total: 4,
      merged: 2,
      skipped: 1,
      rejected: 1,
      skip_reasons: { ignored_existing_newer_time: 1, malformed: 1 },
      rejections: [{ app_id: '100', key: 'bad', reason: 'malformed' }],
    });
    expect(merged).toEqual(['m1', 'm2']);
  });

  test.each<[unknown]>([[[]], ['x'], [17], [null]])('whose `data` is %j is refused with 400', async (data) => {
    expect(await codeOf(start().handle({ type: 'delta', data }))).toBe('bad_request');
  });
});

describe('a digest', () => {
  test.each<[Record<string, unknown>, Record<string, unknown>]>([
    [{}, { root: 'root' }],
    [{ apps: true }, { apps: { '100': 'digest of 100' } }],
    [{ app: '100' }, { buckets: ['buckets of 100'] }],
  ])('requested with %j is returned as %j', async (request, answer) => {
    expect(await start().handle({ type: 'digest_request', ...request })).toMatchObject(answer);
  });

  test.each([{ apps: 'yes' }, { app: 100 }, { app: '../100' }])('requested with %j is refused with 400', async (request) => {
    expect(await codeOf(start().handle({ type: 'digest_request', ...request }))).toBe('bad_request');
  });
});

describe('a node that was cut off for longer than the retention of tombstones', () => {
  async function startStale() {
    const started = start();
    await started.clock.advance(RETENTION_MS + 1);
    return started;
  }

  test('sends snapshots with complete: false', async () => {
    expect((await (await startStale()).handle({ type: 'snapshot_request' }))['complete']).toBe(false);
  });

  test('does not answer digest requests', async () => {
    expect(await codeOf((await startStale()).handle({ type: 'digest_request' }))).toBe('service_unavailable');
  });
});

describe('the acknowledged sequence of a peer', () => {
  const stored = { store_id: 'aaaaaaaaaaaaaaaa' };

  test.each<[string, Record<string, unknown>, Record<string, unknown>, boolean]>([
    ['does not change while the peer sends the same store_id', stored, { type: 'delta', ...stored }, false],
    ['is reset by a new store_id', stored, { type: 'delta', store_id: 'bbbbbbbbbbbbbbbb' }, true],
    ['does not change when the peer requests a first snapshot with the same store_id', stored, { type: 'snapshot_request', ...stored }, false],
    ['is reset when an older peer requests the secret', {}, secretRequest, true],
    ['is reset when an older peer requests a snapshot', {}, { type: 'snapshot_request' }, true],
    ['does not change when an older peer requests a later page of a snapshot', {}, { type: 'snapshot_request', cursor: '1' }, false],
    ['does not change when an older peer sends a delta', {}, { type: 'delta' }, false],
  ])('%s', async (_, before, message, reset) => {
    const { handle, replicas } = start();
    await handle({ type: 'delta', ...before });
    const { epoch } = replicas.of(SENDER).progress;
    await handle(message);
    expect(replicas.of(SENDER).progress.epoch > epoch).toBe(reset);
  });
});
