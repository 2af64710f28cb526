/**
 * The composition root: builds the parts of a node from the rooms (the folders under `src`), and connects them with each other and with the
 * node's ports. A process passes system ports to it, and a simulation passes seeded ports. This file makes no decisions, and no other file
 * uses all rooms of a node.
 */
import { createActor, type Actor } from 'xstate';
import { Authenticator } from '../auth/authenticator.ts';
import { NonceBook } from '../auth/nonce-book.ts';
import type { Config } from '../config/settings.ts';
import { Vault } from '../crypto/vault.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import type { Meter } from '../domain/meter.ts';
import { entryOf } from '../domain/membership.ts';
import type { AppRegistry, Chain, Clock, Enclave, Identity, Log, Random, Transport } from '../domain/ports.ts';
import { READINESS_CHANGED, type ReadinessView } from '../domain/readiness.ts';
import type { MergeVerdict } from '../domain/records.ts';
import { reasonLine } from '../domain/reasons.ts';
import type { AppModules, AppOptions } from '../http/app.ts';
import { vouchedSnapshot } from '../machines/first-snapshot.ts';
import { createNodeMachine, type NodeMachine } from '../machines/node-machine.ts';
import { readinessView } from '../machines/status.ts';
import type { FreshnessLimits } from '../machines/view-age.ts';
import { judgeEligibility, mayClaim } from '../registry/eligibility.ts';
import { PeerCache } from '../registry/peer-cache.ts';
import { RecordStore } from '../store/record-store.ts';
import { Acknowledgements } from '../sync/acknowledgements.ts';
import { Resync } from '../sync/resync.ts';
import { AntiEntropy } from '../sync/anti-entropy.ts';
import { Staleness } from '../sync/staleness.ts';
import { DeltaPush } from '../sync/delta-push.ts';
import { SyncInbound } from '../sync/inbound.ts';
import { PeerBook } from '../sync/peer-book.ts';
import { PeerConversation } from '../sync/peer-conversation.ts';
import { PeerProbe } from '../sync/probe.ts';
import { SecretFetch } from '../sync/secret-fetch.ts';
import { Replicas } from '../sync/replicas.ts';
import { Replicator } from '../sync/replicator.ts';
import { SnapshotFetch } from '../sync/snapshot-fetch.ts';
import { SureRound } from '../sync/sure-round.ts';
import type { WatchSyncTick } from '../sync/tick-course.ts';
import { NodeAudit, type EndedAudit } from './audit.ts';
import { ChainWatch } from './chain-watch.ts';
import { EnclaveWatch } from './enclave-watch.ts';
import { NodeIdentity } from './identity.ts';
import { NodeJobs } from './jobs.ts';
import { MasterSecret } from './master-secret.ts';
import { openApi } from './openapi.ts';
import { SurenessKeeper } from './sureness-keeper.ts';

/** Everything that a node uses from outside itself. */
export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Shared with the adapters of these ports, so that each failure is logged only once. */
  readonly failures: FailureLog;
  readonly chain: Chain;
  readonly appRegistry: AppRegistry;
  readonly enclave: Enclave;
  readonly transport: Transport;
  /** Awaited from time to time during long work, so that requests are handled meanwhile. */
  readonly yieldNow: () => Promise<void>;
  /** If absent, nothing is counted for metrics. */
  readonly meter?: Meter | undefined;
}

export interface ComposedNode {
  /** The arguments for `createApp`: options and modules. */
  readonly appOptions: AppOptions;
  readonly appModules: AppModules;
  readonly actor: Actor<NodeMachine>;
  /** For a watcher outside the node, such as a simulation that checks the node against rules. */
  readonly inside: NodeInside;
  readiness(): ReadinessView;
  /** Starts the machine: the first node_tick begins immediately. */
  start(): void;
  /** Ends the ticks; new requests are refused. */
  stop(): void;
  /** Sends each peer the writes of this node that the peer lacks. Call it after `stop`. */
  lastPush(mayEnd: () => boolean, signal: AbortSignal): Promise<void>;
  /** Number of audit entries that were dropped, so that no reader can fetch them now; 0 without an audit log. */
  auditDropped(): number;
  /**
   * Ends the audit log with `stop` and the last checkpoint. Call it when no request is under way. Never rejects.
   * @returns null if there is no audit log
   */
  endAudit(): Promise<EndedAudit | null>;
  /** Overwrites every key. The node must not answer requests after this. */
  wipe(): void;
}

export interface NodeInside {
  readonly freshness: FreshnessLimits;
  readonly chainWatch: Pick<ChainWatch, 'figures'>;
  readonly secret: MasterSecret;
  readonly vault: Vault;
  readonly store: RecordStore;
  readonly peerCache: PeerCache;
  readonly replicas: Replicas;
  readonly staleness: Staleness;
  readonly conversation: PeerConversation;
  readonly acknowledgements: Acknowledgements;
  readonly sureness: SurenessKeeper;
}

/** Watches the sync_ticks of a node. A watcher sees everything else through the node's actor. */
export interface NodeWatcher {
  readonly watchSyncTick: WatchSyncTick;
}

/**
 * @param onFatal called at most once, when an invariant is broken or the machine fails; the process must then stop
 * @param watcher if absent, the sync_ticks are not watched
 */
export function composeNode(config: Config, ports: NodePorts, onFatal: (error: Error) => void, watcher?: NodeWatcher): ComposedNode {
  const { clock, random, log, failures, chain, appRegistry, transport, yieldNow, meter } = ports;
  const enclave = new EnclaveWatch(ports);
  let stopping = false;
  let fatal = false;
  const failFatally = (error: unknown): void => {
    if (fatal) return;
    fatal = true;
    failures.note(log, 'the machine', error);
    onFatal(error instanceof Error ? error : new Error('the machine failed'));
  };

  const identity = new NodeIdentity({
    clock,
    enclave,
    // The clock key and the proofs contain the current wallet. To its peers, this node is now a member that has never sent them anything.
    onOtherWallet: (before, now) => {
      log.warn('the wallet of the enclave has changed: this process is a different node now', { before, now });
      replicas.resetAll();
    },
  });
  const audit = NodeAudit.of(config, { clock, random, enclave, log: log.child('audit'), failures, wallet: () => identity.wallet(), tagOf: (kind, appId, text) => vault.auditTag(kind, appId, text) });
  const vault: Vault = new Vault({ random, beforeKeysChange: () => audit?.writeWaiting() });
  const secret: MasterSecret = new MasterSecret({
    vault,
    onChange: (change) => audit?.noteSecret(change),
    emptyStore: () => {
      store.reset();
      replicas.resetAll();
    },
  });
  if (config.masterSecret !== undefined) secret.holdCandidate(config.masterSecret, 'given');

  const store: RecordStore = new RecordStore(
    {
      maxValueBytes: config.maxKvValueBytes,
      maxAppBytes: config.maxAppStorageBytes,
      maxClockSkewMs: config.maxClockSkewMs,
      maxStoreBytes: config.maxStoreBytes,
      maxApps: config.maxApps,
      tombstoneRetentionMs: config.tombstoneRetentionMs,
      maxTombstonesPerApp: config.maxTombstonesPerApp,
    },
    {
      random,
      opens: (appId, stored) => vault.opensValue(appId, stored),
      ownClockKey: (storeId) => `${identity.wallet() ?? ''}/${storeId}`,
      takenByAll: (number) => replicas.takenByAll(number),
      keepsEverything: () => {
        staleness.noteTime();
        return staleness.isStale();
      },
    },
  );
  const peerCache = new PeerCache({ clock });
  const nonces = new NonceBook({ ttlSeconds: config.popTimeoutSeconds }, { clock, random });

  const syncLog = log.child('sync');
  const book = new PeerBook({ blacklistMs: config.peerBlacklistMs }, { clock });
  const replicas: Replicas = new Replicas({ clock, random, store });
  const staleness: Staleness = new Staleness({ retentionMs: config.tombstoneRetentionMs }, { clock, lastSequenceNumber: () => store.lastSequenceNumber, acknowledgedByAny: () => replicas.acknowledgedByAny() });
  const resync = new Resync({ clock, yieldNow, log: syncLog, staleness, store, onResynced: () => replicas.resetAll() });
  const merging = {
    clock,
    yieldNow,
    store,
    onVerdict: (appId: string, wire: unknown, verdict: MergeVerdict): void => {
      resync.note(appId, wire);
      meter?.recordJudged(verdict);
    },
  };
  const sureness = new SurenessKeeper(
    // A ready node starts to ask the members again at each regular sync_tick, so less than two intervals pass between two rounds of questions.
    { silenceMs: config.nodeTickMs, pauseMs: 2 * config.dataSyncIntervalMs },
    { clock, log: syncLog, storeId: () => store.storeId, storeIdOf: (member) => book.stateOf(member).storeId, isStale: () => staleness.isStale() },
  );
  const probe = new PeerProbe({ clock, transport });
  const conversation = new PeerConversation({
    clock,
    random,
    transport,
    enclave,
    vault,
    book,
    identity: () => identity.current(),
    storeId: () => store.storeId,
    isMember: (member) => entryOf(member, peerCache.membership()) !== undefined,
    onClock: (member, leadMs) => replicas.find(member)?.noteClock(leadMs),
    onAnswer: (member, storeId) => {
      staleness.noteExchange();
      if (storeId !== undefined) replicas.find(member)?.noteStoreId(storeId);
    },
  });
  const acknowledgements = new Acknowledgements({ clock });
  const push = new DeltaPush({
    clock,
    log: syncLog,
    store,
    conversation,
    acknowledgements,
    sendAbove: () => staleness.seenUpTo(),
    meter,
  });
  const antiEntropy = new AntiEntropy({ maxAnswerBytes: config.maxSyncPayloadBytes }, { ...merging, log: syncLog, conversation, push, sureness });
  const comparing = { mayCompare: () => !staleness.isStale(), onCompared: () => staleness.noteInStep() };
  const replicator = new Replicator({
    clock,
    log: syncLog,
    failures,
    replicas,
    push,
    antiEntropy,
    others: () => identity.others(peerCache.membership()),
    refreshMembership: (signal) => jobs.refreshForOutbound(signal),
    ...comparing,
    onBrokenInvariant: failFatally,
    watchSyncTick: watcher?.watchSyncTick,
  });
  const freshness: FreshnessLimits = { maxAgeMs: config.chainMaxAgeMs, outageMs: config.chainOutageMs, nodeTickMs: config.nodeTickMs };
  const chainWatch = new ChainWatch(
    { ...freshness, peerCacheTtlMs: config.peerCacheTtlMs },
    { clock, log: log.child('jobs'), chain, peerCache },
  );
  const jobs: NodeJobs = new NodeJobs({
    log: log.child('jobs'),
    failures,
    chain: audit?.noting(chain) ?? chain,
    chainWatch,
    directory: peerCache,
    enclave,
    identity,
    secret,
    vault,
    judgeEligibility,
    mayClaim,
    secretFetch: new SecretFetch({ clock, random, log: syncLog, secret, book, conversation }),
    snapshotFetch: new SnapshotFetch(
      { maxAnswerBytes: config.maxSyncPayloadBytes },
      { ...merging, random, log: syncLog, book, conversation, sureness, resyncBeganAtMs: () => resync.beganAtMs, onLeftOut: (member, leftOut) => replicas.find(member)?.noteLeftOut(leftOut) },
    ),
    probe,
    replicator,
    staleness,
    resync,
    sureness,
    sureRound: new SureRound({ clock, log: syncLog, failures, replicas, antiEntropy, sureness, ...comparing }),
    onBrokenInvariant: failFatally,
    onMembership: (others) => {
      book.keepOnly(others);
      replicas.keepOnly(others);
      staleness.noteMembers(others.length);
    },
  });

  const machine = createNodeMachine(
    {
      nodeTickMs: config.nodeTickMs,
      syncTickMs: config.dataSyncIntervalMs,
      nudgeMs: config.dataSyncNudgeMs,
      freshness,
      probePeers: config.inEnclave,
    },
    { clock, random, secret },
  ).provide({ actors: jobs.actors() });
  const actor = createActor(machine, { clock });
  const readiness = (): ReadinessView => readinessView(actor.getSnapshot(), secret.confirmedHash(), clock.monotonicMs());
  logReadiness(actor, readiness, log.child('readiness'), failFatally);

  const inbound = new SyncInbound(
    { peerCacheTtlMs: config.peerCacheTtlMs },
    {
      ...merging,
      log: syncLog,
      vault,
      directory: peerCache,
      replicas,
      staleness,
      issueNonce: () => nonces.issue(),
      firstSnapshot: () => vouchedSnapshot(readiness()),
      // A node that is not ready receives no writes from other nodes, so it does not say that it is sure of its store.
      isSure: () => readiness().state === 'ready' && sureness.isSure(),
      mayHandOut: () => chainWatch.mayHandOut(),
      onHandedOut: () => sureness.noteHandedOut(),
    },
  );
  const ownUrl = (): string => config.instanceUrl || (identity.ownEntry(peerCache.membership())?.url ?? '');

  const currentIdentity = (): Identity | null => identity.current();
  const gate = { readiness, isStopping: () => stopping };
  const authenticator = new Authenticator(
    { inEnclave: config.inEnclave, windowSeconds: config.popTimeoutSeconds },
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
        identity: currentIdentity,
        ownUrl,
        masterSecret: () => secret.named(),
        chain: () => chainWatch.figures(),
        probeOf: (wallet) => probe.figuresOf(wallet),
        storeTotals: () => ({ ...store.totals(clock.nowMs()), heldBytes: store.heldBytes, refusedFull: store.refusedFull, rootDigest: store.shownRootDigest(), leftOut: store.leftOut }),
        sureness: () => sureness.figures(),
        peers: () => replicas.views(),
        faults: () => failures.faults(),
      },
    },
    probes: { ...gate, chain: () => chainWatch.figures(), enclaveFigures: () => enclave.figures() },
    kms: {
      clock,
      readiness,
      identity: currentIdentity,
      authenticator,
      nonces,
      enclave,
      vault,
      store,
      audit: audit?.audit ?? null,
      isSure: () => sureness.isSure(),
      acknowledged: (write, peers, timeoutMs) => acknowledgements.wait(write, peers, timeoutMs),
      onWritten: () => nudge(actor),
    },
    sync: { clock, readiness, identity: currentIdentity, authenticator, enclave, vault, directory: peerCache, handler: inbound, audit: audit?.audit ?? null },
    errors: { log: log.child('http'), failures, onBrokenInvariant: failFatally },
    audit: audit?.http ?? null,
    openApi,
  };

  return {
    appOptions: {
      kmsAppId: config.kmsAppId,
      kmsRegistry: config.kmsRegistry,
      maxRequestBodyBytes: config.maxRequestBodyBytes,
      maxSyncPayloadBytes: config.maxSyncPayloadBytes,
      maxValueBytes: config.maxKvValueBytes,
      maxInflightBytes: config.maxInflightBytes,
      rateLimitPerMinute: config.rateLimitPerMinute,
      nonceRateLimitPerMinute: config.nonceRateLimitPerMinute,
      trustedProxies: config.trustedProxies,
    },
    appModules,
    actor,
    inside: { freshness, chainWatch, secret, vault, store, peerCache, replicas, staleness, conversation, acknowledgements, sureness },
    readiness,
    start: () => void actor.start(),
    stop: () => {
      stopping = true;
      actor.stop();
    },
    // A node without the sync key pushes nothing, because no peer would accept the push.
    lastPush: async (mayEnd, signal) => (vault.hasSyncKey() ? replicator.lastPush(mayEnd, signal) : undefined),
    auditDropped: () => audit?.dropped ?? 0,
    endAudit: async () => (await audit?.end()) ?? null,
    wipe: () => vault.wipe(),
  };
}

/** Called after a local write. Causes a sync_tick, unless a sync_tick that will send this write is already due. */
function nudge(actor: Actor<NodeMachine>): void {
  const { beats } = actor.getSnapshot().value;
  if (beats.nudgeBeat === 'idle' || beats.nudgeBeat.nudged === 'quiet') actor.send({ type: 'record.written' });
}

/** Logs one line for each change of state or reason. An error of the machine is fatal. */
function logReadiness(
  actor: Actor<NodeMachine>,
  readiness: () => ReadinessView,
  log: Log,
  failFatally: (error: unknown) => void,
): void {
  let shown = '';
  actor.subscribe({
    next: () => {
      const { state, reason } = readiness();
      const line = reason === null ? null : reasonLine(reason);
      if (`${state} ${line}` === shown) return;
      shown = `${state} ${line}`;
      log.info('readiness changed', { event: READINESS_CHANGED, state, reason: line });
    },
    error: failFatally,
  });
}
