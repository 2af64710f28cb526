/**
 * The production HTTP pipeline on a real socket, with an in-process enclave, a vault with a known secret, and a manual clock. The test
 * provides the membership and the app registry. There is no state machine; the test also provides the readiness view.
 */
import type { RequestListener } from 'node:http';
import { Authenticator } from '../../src/auth/authenticator.ts';
import { NonceBook } from '../../src/auth/nonce-book.ts';
import { Vault } from '../../src/crypto/vault.ts';
import { FailureLog } from '../../src/domain/failure-log.ts';
import type { ChainFigures, EnclaveFigures } from '../../src/domain/figures.ts';
import type { Audit } from '../../src/domain/audit.ts';
import type { Hash32, Wallet } from '../../src/domain/ids.ts';
import type { Member } from '../../src/domain/membership.ts';
import type { AppRegistry, Enclave } from '../../src/domain/ports.ts';
import type { ReadinessView } from '../../src/domain/readiness.ts';
import { createApp, listenerOf, type AppModules, type AppOptions } from '../../src/http/app.ts';
import type { SyncHandler } from '../../src/http/sync-route.ts';
import { messageClassesOf } from '../../src/http/message-classes.ts';
import { listen } from '../../src/http/server.ts';
import { PeerCache } from '../../src/registry/peer-cache.ts';
import { systemClock } from '../../src/system/system.ts';
import { RecordStore } from '../../src/store/record-store.ts';
import { Acknowledgements } from '../../src/sync/acknowledgements.ts';
import { Staleness } from '../../src/sync/staleness.ts';
import { SyncInbound } from '../../src/sync/inbound.ts';
import { Replicas } from '../../src/sync/replicas.ts';
import { collectingLog } from './collecting-log.ts';
import { inProcessEnclave } from './in-process-enclave.ts';
import { ManualClock } from './manual-clock.ts';
import { SeededRandom } from './seeded-random.ts';

export const READY: ReadinessView = {
  state: 'ready',
  reason: null,
  sinceMs: 0,
  secretConfirmed: true,
  confirmedHash: `0x${'cd'.repeat(32)}` as Hash32,
  firstSnapshot: 'complete',
  lastTick: null,
  nextTickInMs: 30_000,
  ticks: { run: 1, dropped: 0 },
  syncTicks: { run: 0 },
};

export interface NodeOverHttpOptions {
  readonly nowMs?: number;
  /** The master secret: 32 bytes in hex. */
  readonly secret?: string;
  readonly info?: string;
  /** Private keys of the node's wallet and enclave, in hex. Default: random. */
  readonly walletKey?: string;
  readonly teeScalar?: string;
  readonly members?: readonly Member[];
  readonly lookup?: AppRegistry['lookup'];
  readonly inEnclave?: boolean;
  readonly http?: Partial<AppOptions>;
  readonly enclave?: (real: Enclave) => Enclave;
  readonly sync?: (real: SyncHandler) => SyncHandler;
  readonly attester?: AppModules['attester'];
  readonly listener?: (real: RequestListener) => RequestListener;
  readonly maxValueBytes?: number;
  readonly maxAppBytes?: number;
  readonly maxTombstonesPerApp?: number;
  readonly openApi?: AppModules['openApi'];
  readonly audit?: { readonly audit: Audit; readonly http: AppModules['audit'] };
}

/** All parts of a node that the Express app needs, without the app itself. */
export function nodeParts(options: NodeOverHttpOptions = {}) {
  const maxValueBytes = options.maxValueBytes ?? 1_048_576;
  const clock = new ManualClock(options.nowMs);
  started += 1;
  const random = new SeededRandom(`node over http ${started}`);
  const log = collectingLog();
  const real = inProcessEnclave(
    {
      info: options.info ?? 'capsule-ecdh-aes256gcm-v1',
      ...(options.walletKey === undefined ? {} : { walletKey: Uint8Array.from(Buffer.from(options.walletKey, 'hex')) }),
      ...(options.teeScalar === undefined ? {} : { teeScalar: options.teeScalar }),
    },
    { random, clock },
  );
  const enclave = options.enclave?.(real) ?? real;
  const identity = { wallet: real.emulated.wallet, teePubkey: real.emulated.teePubkey };
  const vault = new Vault({ random });
  const secret = Uint8Array.from(Buffer.from(options.secret ?? '42'.repeat(32), 'hex'));
  vault.serve(vault.hold(secret));
  vault.installSyncKey();
  const peerCache = new PeerCache({ clock });
  peerCache.update({ block: 1n, members: options.members ?? [], dropped: [] });
  const nonces = new NonceBook({ ttlSeconds: 120 }, { clock, random });
  const store: RecordStore = new RecordStore(
    {
      maxValueBytes,
      maxAppBytes: options.maxAppBytes ?? 10_485_760,
      maxClockSkewMs: 15_000,
      maxStoreBytes: 2 ** 29,
      maxApps: 20_000,
      tombstoneRetentionMs: 86_400_000,
      maxTombstonesPerApp: options.maxTombstonesPerApp ?? 10_000,
    },
    {
      random,
      opens: (appId, stored) => vault.opensValue(appId, stored),
      ownClockKey: (storeId) => `${identity.wallet}/${storeId}`,
      takenByAll: (number) => replicas.takenByAll(number),
      keepsEverything: () => {
        staleness.noteTime();
        return staleness.isStale();
      },
    },
  );
  const replicas: Replicas = new Replicas({ clock, random, store });
  const staleness: Staleness = new Staleness({ retentionMs: 86_400_000 }, { clock, lastSequenceNumber: () => store.lastSequenceNumber, acknowledgedByAny: () => replicas.acknowledgedByAny() });
  const acknowledgements = new Acknowledgements({ clock });
  const merging = { clock, store, yieldNow: async (): Promise<void> => undefined };
  const chainFigures: ChainFigures = { viewAgeMs: 1_000, viewBlockMs: 0, failing: null, isFresh: true };
  const enclaveFigures: EnclaveFigures = { failing: null };
  const state = { view: READY, chain: chainFigures, enclave: enclaveFigures, stopping: false, sure: true, broken: [] as Error[], written: 0 };
  const appRegistry: AppRegistry = { lookup: options.lookup ?? (async () => Promise.reject(new Error('no registry given'))) };
  const appOptions: AppOptions = {
    kmsAppId: 49,
    kmsRegistry: `0x${'aa'.repeat(20)}` as Wallet,
    maxRequestBodyBytes: 4_194_304,
    maxSyncPayloadBytes: 52_428_800,
    maxValueBytes,
    rateLimitPerMinute: 0,
    maxInflightBytes: 67_108_864,
    nonceRateLimitPerMinute: 0,
    trustedProxies: [],
    ...options.http,
  };
  const inbound = new SyncInbound(
    { peerCacheTtlMs: 180_000 },
    {
      ...merging,
      log,
      vault,
      directory: peerCache,
      replicas,
      staleness,
      issueNonce: () => nonces.issue(),
      firstSnapshot: () => state.view.firstSnapshot,
      isSure: () => state.sure,
        mayHandOut: () => true,
        onHandedOut: () => undefined,
    },
  );
  const gate = { readiness: () => state.view, isStopping: () => state.stopping };
  const failures = new FailureLog({ clock });
  const knownIdentity = () => identity;
  const authenticator = new Authenticator(
    { inEnclave: options.inEnclave ?? true, windowSeconds: 120 },
    { clock, nonces, appRegistry, directory: peerCache },
  );
  const appModules: AppModules = {
    clock,
    gate,
    node: {
      nonces,
      status: {
        ...gate,
        directory: peerCache,
        identity: knownIdentity,
        ownUrl: () => 'http://node.test',
        masterSecret: () => ({ state: 'generated', from: null }),
        chain: () => state.chain,
        probeOf: () => null,
        storeTotals: () => ({ ...store.totals(clock.nowMs()), heldBytes: store.heldBytes, refusedFull: store.refusedFull, rootDigest: store.shownRootDigest(), leftOut: store.leftOut }),
        sureness: () => ({ sure: state.sure, by: null, waitsFor: [] }),
        peers: () => replicas.views(),
        faults: () => failures.faults(),
      },
    },
    probes: { ...gate, chain: () => state.chain, enclaveFigures: () => state.enclave },
    kms: {
      ...gate,
      clock,
      identity: knownIdentity,
      authenticator,
      nonces,
      enclave,
      vault,
      store,
      audit: options.audit?.audit ?? null,
      isSure: () => state.sure,
      acknowledged: (write, peers, timeoutMs) => acknowledgements.wait(write, peers, timeoutMs),
      onWritten: () => void (state.written += 1),
    },
    sync: { ...gate, clock, identity: knownIdentity, authenticator, enclave, vault, directory: peerCache, handler: options.sync?.(inbound) ?? inbound, audit: options.audit?.audit ?? null },
    errors: { log, failures, onBrokenInvariant: (error) => state.broken.push(error) },
    audit: options.audit?.http ?? null,
    openApi: options.openApi,
  };
  return {
    appOptions,
    appModules,
    identity,
    clock,
    nonces,
    store,
    merging,
    replicas,
    acknowledgements,
    vault,
    peerCache,
    log,
    state,
    enclave: real,
  };
}

export type NodeParts = ReturnType<typeof nodeParts>;

/**
 * The number of started nodes. It is part of the seed of a node's keys and nonces, so that no two nodes share them. Otherwise a caller
 * would refuse the answers from a later node, because it has already seen their nonces in answers from an earlier node.
 */
let started = 0;

export async function startNodeOverHttp(options: NodeOverHttpOptions = {}) {
  const parts = nodeParts(options);
  const app = createApp(parts.appOptions, { ...parts.appModules, attester: options.attester });
  const listener = listenerOf(app);
  const server = await listen({ host: '127.0.0.1', port: 0 }, { listener: options.listener?.(listener) ?? listener, clock: systemClock, messages: messageClassesOf(app) });
  return {
    ...parts,
    url: `http://127.0.0.1:${server.port}`,
    port: server.port,
    close: async () => {
      server.destroy();
      await server.drain();
    },
  };
}

export type NodeOverHttp = Awaited<ReturnType<typeof startNodeOverHttp>>;

export { authorizedRecord, memberOf } from './members.ts';
