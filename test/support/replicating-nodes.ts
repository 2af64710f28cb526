/**
 * Whole stores that replicate to each other over an in-memory network. The vaults, envelopes, proofs and the Express app are the real
 * ones. A test moves the clock and triggers sync_tick. It can cut the link between two nodes, or make requests on that link hang.
 */
import type { Express } from 'express';
import { Authenticator } from '../../src/auth/authenticator.ts';
import { NonceBook } from '../../src/auth/nonce-book.ts';
import { Vault } from '../../src/crypto/vault.ts';
import { DeadlineError, within } from '../../src/domain/deadline.ts';
import { DependencyError, type RefusalError } from '../../src/domain/errors.ts';
import { FailureLog } from '../../src/domain/failure-log.ts';
import type { AppId, Wallet } from '../../src/domain/ids.ts';
import { entryOf, type Member } from '../../src/domain/membership.ts';
import type { Transport, TransportAnswer, TransportRequest } from '../../src/domain/ports.ts';
import type { FirstSnapshotState } from '../../src/domain/readiness.ts';
import type { LocalWrite, MergeVerdict, WireRecord } from '../../src/domain/records.ts';
import { createApp } from '../../src/http/app.ts';
import type { SyncHandler } from '../../src/http/sync-route.ts';
import { injectRequest } from '../../src/sim/world/injection.ts';
import { PeerCache } from '../../src/registry/peer-cache.ts';
import { RecordStore, type RecordStoreOptions } from '../../src/store/record-store.ts';
import { Acknowledgements } from '../../src/sync/acknowledgements.ts';
import { Resync } from '../../src/sync/resync.ts';
import { AntiEntropy } from '../../src/sync/anti-entropy.ts';
import { Staleness } from '../../src/sync/staleness.ts';
import { DeltaPush } from '../../src/sync/delta-push.ts';
import { SyncInbound } from '../../src/sync/inbound.ts';
import { PeerBook } from '../../src/sync/peer-book.ts';
import { PeerConversation } from '../../src/sync/peer-conversation.ts';
import { Replicas } from '../../src/sync/replicas.ts';
import { Replicator } from '../../src/sync/replicator.ts';
import { SurenessKeeper } from '../../src/node/sureness-keeper.ts';
import { SureRound } from '../../src/sync/sure-round.ts';
import { SnapshotFetch } from '../../src/sync/snapshot-fetch.ts';
import { SECRET } from './asking-node.ts';
import { collectingLog } from './collecting-log.ts';
import { inProcessEnclave } from './in-process-enclave.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { memberOf } from './members.ts';
import { READY } from './node-over-http.ts';
import { asOlderKind } from './older-kind.ts';
import { SeededRandom } from './seeded-random.ts';

export const APP = '100';
export const RETENTION_MS = 86_400_000;

export interface ReplicatingNodeOptions {
  /** Whether the node answers as an older node does. An older node sends nothing in these tests. */
  readonly kind?: 'current' | 'older';
  /** Maximum size of a `/sync` body or an answer that the node accepts, in bytes. */
  readonly maxSyncPayloadBytes?: number;
  readonly store?: Partial<RecordStoreOptions>;
}

/** A `/sync` message that a node received. */
export interface ReceivedMessage {
  readonly from: string;
  readonly at: number;
  readonly inner: Record<string, unknown>;
}

export interface NetworkRequest {
  readonly from: string;
  readonly to: string;
  readonly path: string;
  readonly bytes: number;
  /** Null until the request is answered. */
  status: number | null;
}

/**
 * What happens to a request. `cut`: it fails immediately. `hang`: there is no answer until the timeout. `lose answers`: the node handles
 * the request, but its answer is lost. `closes large bodies`: the connection is cut while a body over 2 MiB is sent.
 */
export type Way = 'open' | 'cut' | 'hang' | 'lose answers' | 'closes large bodies';

/** The largest body that nodes written in Rust accept. */
const RUST_BODY_BYTES = 2 * 1024 * 1024;

export class ReplicatingNode {
  readonly name: string;
  readonly member: Member;
  readonly store: RecordStore;
  readonly vault: Vault;
  readonly replicas: Replicas;
  readonly replicator: Replicator;
  readonly push: DeltaPush;
  readonly antiEntropy: AntiEntropy;
  readonly acknowledgements: Acknowledgements;
  readonly staleness: Staleness;
  readonly resync: Resync;
  readonly inbound: SyncInbound;
  readonly peerCache: PeerCache;
  readonly app: Express;
  readonly log = collectingLog();
  readonly received: ReceivedMessage[] = [];
  /** What the node did with each record from its peers. */
  readonly verdicts: MergeVerdict['kind'][] = [];
  readonly broken: Error[] = [];
  /** Runs before a message is handled. It may throw a RefusalError or delay the answer. */
  before: (message: ReceivedMessage) => Promise<void> | void = () => undefined;
  /** Changes the inner answer before it is sealed. */
  bend: (answer: Record<string, unknown>, message: ReceivedMessage) => object = (answer) => answer;
  refreshMembership: (signal: AbortSignal) => Promise<void> = async () => undefined;
  firstSnapshot: FirstSnapshotState = 'complete';
  /** What the node reports when peers ask whether it is sure. If null, it reports the truth. */
  sureWord: boolean | null = null;
  readonly sureness: SurenessKeeper;
  readonly sureRound: SureRound;
  readonly #network: Network;
  readonly #snapshotFetch: SnapshotFetch;
  #ready = new AbortController();

  constructor(name: string, network: Network, options: ReplicatingNodeOptions = {}) {
    this.name = name;
    this.#network = network;
    const { clock } = network;
    const random = new SeededRandom(name);
    const enclave = inProcessEnclave({ info: 'capsule-ecdh-aes256gcm-v1' }, { clock, random });
    const { wallet, teePubkey } = enclave.emulated;
    this.member = memberOf(wallet, teePubkey, `https://${name}.test`);
    const vault = new Vault({ random });
    vault.serve(vault.hold(Uint8Array.from(SECRET)));
    vault.installSyncKey();
    this.vault = vault;
    this.peerCache = new PeerCache({ clock });
    this.store = new RecordStore(
      {
        maxValueBytes: 1_048_576,
        maxAppBytes: 104_857_600,
        maxClockSkewMs: 15_000,
        maxStoreBytes: 2 ** 29,
        maxApps: 20_000,
        tombstoneRetentionMs: RETENTION_MS,
        maxTombstonesPerApp: 10_000,
        ...options.store,
      },
      {
        random,
        opens: (appId, stored) => vault.opensValue(appId, stored),
        ownClockKey: (storeId) => `${wallet}/${storeId}`,
        takenByAll: (number) => this.replicas.takenByAll(number),
        keepsEverything: () => {
          this.staleness.noteTime();
          return this.staleness.isStale();
        },
      },
    );
    const { store, log } = this;
    const maxAnswerBytes = options.maxSyncPayloadBytes ?? 52_428_800;
    this.replicas = new Replicas({ clock, random, store });
    this.staleness = new Staleness({ retentionMs: RETENTION_MS }, { clock, lastSequenceNumber: () => store.lastSequenceNumber, acknowledgedByAny: () => this.replicas.acknowledgedByAny() });
    const { replicas, staleness } = this;
    const pacing = { clock, yieldNow: async (): Promise<void> => undefined };
    this.resync = new Resync({ ...pacing, log, staleness, store, onResynced: () => replicas.resetAll() });
    const onVerdict = (appId: string, wire: unknown, { kind }: MergeVerdict): void => {
      this.resync.note(appId, wire);
      this.verdicts.push(kind);
    };
    const merging = { ...pacing, store, onVerdict };
    const book = new PeerBook({ blacklistMs: 600_000 }, { clock });
    const conversation = new PeerConversation({
      clock,
      random,
      transport: network.transportOf(this),
      enclave,
      vault,
      book,
      identity: () => ({ wallet, teePubkey }),
      storeId: () => store.storeId,
      isMember: (member) => entryOf(member, this.peerCache.membership()) !== undefined,
      onClock: (member, leadMs) => this.replicas.find(member)?.noteClock(leadMs),
      onAnswer: (member, storeId) => {
        staleness.noteExchange();
        if (storeId !== undefined) replicas.find(member)?.noteStoreId(storeId);
      },
    });
    this.acknowledgements = new Acknowledgements({ clock });
    const { acknowledgements } = this;
    this.push = new DeltaPush({ clock, log, store, conversation, acknowledgements, sendAbove: () => staleness.seenUpTo() });
    this.sureness = new SurenessKeeper(
      { silenceMs: 60_000, pauseMs: 20_000 },
      { clock, log, storeId: () => store.storeId, storeIdOf: (member) => book.stateOf(member).storeId, isStale: () => staleness.isStale() },
    );
    const { sureness } = this;
    this.antiEntropy = new AntiEntropy({ maxAnswerBytes }, { ...merging, log, conversation, push: this.push, sureness });
    const failures = new FailureLog({ clock });
    const comparing = { mayCompare: () => !staleness.isStale(), onCompared: () => staleness.noteInStep() };
    this.sureRound = new SureRound({ clock, log, failures, replicas, antiEntropy: this.antiEntropy, sureness, ...comparing });
    this.replicator = new Replicator({
      clock,
      log,
      failures,
      replicas,
      push: this.push,
      antiEntropy: this.antiEntropy,
      others: () => this.others(),
      refreshMembership: (signal) => this.refreshMembership(signal),
      ...comparing,
      onBrokenInvariant: (error) => this.broken.push(error),
    });
    this.#snapshotFetch = new SnapshotFetch(
      { maxAnswerBytes },
      { ...merging, random, log, book, conversation, sureness, resyncBeganAtMs: () => this.resync.beganAtMs, onLeftOut: (member, leftOut) => replicas.find(member)?.noteLeftOut(leftOut) },
    );
    const nonces = new NonceBook({ ttlSeconds: 120 }, { clock, random });
    this.inbound = new SyncInbound(
      { peerCacheTtlMs: 180_000 },
      {
        ...merging,
        log,
        vault,
        directory: this.peerCache,
        replicas,
        staleness,
        issueNonce: () => nonces.issue(),
        firstSnapshot: () => this.firstSnapshot,
        isSure: () => this.sureWord ?? this.sureness.isSure(),
        mayHandOut: () => true,
        onHandedOut: () => this.sureness.noteHandedOut(),
      },
    );
    const listened = this.#listened(this.inbound);
    const appRegistry = { lookup: async () => Promise.reject(new Error('these tests send no requests from apps')) };
    const identity = () => ({ wallet, teePubkey });
    const gate = { readiness: () => READY, isStopping: () => false };
    const authenticator = new Authenticator({ inEnclave: true, windowSeconds: 120 }, { clock, nonces, appRegistry, directory: this.peerCache });
    this.app = createApp(
      {
        kmsAppId: 49,
        kmsRegistry: `0x${'aa'.repeat(20)}` as Wallet,
        maxRequestBodyBytes: 4_194_304,
        maxSyncPayloadBytes: options.maxSyncPayloadBytes ?? (options.kind === 'older' ? RUST_BODY_BYTES : 52_428_800),
        maxValueBytes: 1_048_576,
        rateLimitPerMinute: 0,
    maxInflightBytes: 67_108_864,
        nonceRateLimitPerMinute: options.kind === 'older' ? 30 : 0,
        trustedProxies: [],
      },
      {
        clock,
        gate,
        node: {
          nonces,
          status: {
            ...gate,
            directory: this.peerCache,
            identity,
            ownUrl: () => this.member.url,
            masterSecret: () => ({ state: 'synced', from: null }),
            chain: () => ({ viewAgeMs: 1_000, viewBlockMs: 0, failing: null, isFresh: true }),
        probeOf: () => null,
            storeTotals: () => ({ ...store.totals(clock.nowMs()), heldBytes: store.heldBytes, refusedFull: store.refusedFull, rootDigest: store.shownRootDigest(), leftOut: store.leftOut }),
            sureness: () => this.sureness.figures(),
            peers: () => replicas.views(),
            faults: () => failures.faults(),
          },
        },
        probes: { ...gate, chain: () => ({ viewAgeMs: 1_000, viewBlockMs: 0, failing: null, isFresh: true }), enclaveFigures: () => ({ failing: null }) },
        kms: {
          ...gate,
          clock,
          identity,
          authenticator,
      nonces,
          enclave,
          vault,
          store,
          isSure: () => this.sureness.isSure(),
          acknowledged: (write, peers, timeoutMs) => acknowledgements.wait(write, peers, timeoutMs),
          onWritten: () => undefined,
          audit: null,
        },
        sync: {
          ...gate,
          clock,
          identity,
          authenticator,
          enclave,
          vault,
          directory: this.peerCache,
          handler: options.kind === 'older' ? asOlderKind(listened) : listened,
          audit: null,
        },
        audit: null,
        errors: { log, failures, onBrokenInvariant: (error) => this.broken.push(error) },
      },
    );
  }

  /** The members other than this node. */
  others(): readonly Member[] {
    return this.peerCache.membership()?.members.filter(({ wallet }) => wallet !== this.member.wallet) ?? [];
  }

  /** Sets the members, as after a refresh of the membership. */
  know(members: readonly Member[]): void {
    this.peerCache.update({ block: 1n, members, dropped: [] });
    this.replicas.keepOnly(this.others());
    this.staleness.noteMembers(this.others().length);
  }

  put(key: string, value: string | Uint8Array, { ttlMs = 0, app = APP } = {}): LocalWrite {
    const stored = this.vault.sealValue(Number(app) as AppId, Buffer.from(value));
    return this.store.put(app, key, stored, ttlMs, this.#network.clock.nowMs());
  }

  delete(key: string): LocalWrite | null {
    return this.store.delete(APP, key, this.#network.clock.nowMs());
  }

  /** The plaintext of a key's value; null if the key is absent. */
  read(key: string, app = APP): string | null {
    const held = this.store.get(app, key, this.#network.clock.nowMs());
    if (held === null) return null;
    const opened = this.vault.openValue(Number(app) as AppId, held.value);
    return opened === null ? null : Buffer.from(opened).toString();
  }

  keys(app = APP): readonly string[] {
    return this.store.list(app, {}, this.#network.clock.nowMs()).keys;
  }

  /** All records, in the order of the store. */
  records(): readonly WireRecord[] {
    return [...this.store.walk({})].map(({ record }) => record);
  }

  /** The state of this node's replication to another node. */
  replicaOf(node: ReplicatingNode) {
    return this.replicas.of(node.member);
  }

  /** Runs one sync_tick, and everything that it causes while the clock stands still. */
  async tick(nudged = false): Promise<void> {
    this.replicator.syncTick(nudged, this.#ready.signal);
    await this.#network.rest();
  }

  /** Runs one round of anti-entropy with another node. */
  async compareWith(node: ReplicatingNode): Promise<void> {
    await this.antiEntropy.compareWith(node.member, this.replicaOf(node), this.#ready.signal);
  }

  /** Fetches a snapshot, as node_tick does when one is missing. */
  async fetchSnapshot() {
    this.resync.begin();
    const outcome = await this.#snapshotFetch.fetchFirstSnapshot(this.others(), null, this.#ready.signal);
    if (outcome.completeFrom !== null) await this.resync.complete();
    else if (outcome.answered >= this.others().length) this.resync.giveUp();
    return outcome;
  }

  /** Replaces the store with an empty one, as a restart does, and forgets what peers have acknowledged. */
  loseStore(): void {
    this.store.reset();
    this.replicas.resetAll();
  }

  /** Makes the node unready, which ends its pushes. The next sync_tick runs as if the node were ready again. */
  unready(): void {
    this.#ready.abort(new Error('the node is no longer ready'));
    this.#ready = new AbortController();
  }

  /** The types of the received messages, in order. */
  types(from?: ReplicatingNode): readonly unknown[] {
    return this.received.filter((message) => from === undefined || message.from === from.name).map(({ inner }) => inner['type']);
  }

  /** The keys of the records in each received delta. */
  deltas(from?: ReplicatingNode): readonly (readonly string[])[] {
    return this.received
      .filter(({ inner, from: name }) => inner['type'] === 'delta' && (from === undefined || name === from.name))
      .map(({ inner }) => Object.values(inner['data'] as Record<string, WireRecord[]>).flatMap((records) => records.map(({ key }) => key)));
  }

  #listened(inbound: SyncHandler): SyncHandler {
    return {
      requiresHmac: (message) => inbound.requiresHmac(message),
      snapshotChars: (message) => inbound.snapshotChars(message),
      handle: async (sender, inner) => {
        const from = this.#network.nameOf(sender.wallet);
        const message = { from, inner, at: this.#network.clock.monotonicMs() };
        this.received.push(message);
        await this.before(message);
        const answer = (await inbound.handle(sender, inner)) as Record<string, unknown>;
        return this.bend(answer, message);
      },
    };
  }
}

export class Network {
  readonly clock = new ManualClock();
  readonly requests: NetworkRequest[] = [];
  readonly nodes: ReplicatingNode[] = [];
  readonly #ways = new Map<string, Way>();
  #steps = 0;

  /** Adds a node, and introduces all nodes to each other. */
  add(name: string, options: ReplicatingNodeOptions = {}): ReplicatingNode {
    const node = new ReplicatingNode(name, this, options);
    this.nodes.push(node);
    this.introduce();
    return node;
  }

  /** Makes every node a member in the view of all others. */
  introduce(): void {
    for (const node of this.nodes) node.know(this.nodes.map(({ member }) => member));
  }

  nameOf(wallet: Wallet): string {
    return this.nodes.find(({ member }) => member.wallet === wallet)?.name ?? 'unknown';
  }

  /** Sets what happens from now on to requests from one node to another. */
  setWay(from: ReplicatingNode, to: ReplicatingNode, way: Way): void {
    this.#ways.set(`${from.name} ${to.name}`, way);
  }

  /** Sets what happens to requests in both directions between one node and all others. */
  isolate(node: ReplicatingNode, way: Way = 'cut'): void {
    for (const other of this.nodes) {
      if (other === node) continue;
      this.setWay(node, other, way);
      this.setWay(other, node, way);
    }
  }

  /** Waits until nothing more can happen unless the clock moves. */
  async rest(): Promise<void> {
    for (let quiet = 0; quiet < 4; ) {
      const before = this.#steps;
      await settle();
      quiet = this.#steps === before ? quiet + 1 : 0;
    }
  }

  /** Moves the clock forward in steps. */
  async pass(ms: number, stepMs = 500): Promise<void> {
    await this.rest();
    for (let left = ms; left > 0; left -= stepMs) {
      await this.clock.advance(Math.min(left, stepMs));
      await this.rest();
    }
  }

  /** Runs a regular sync_tick on each of these nodes, once a second. */
  async run(seconds: number, nodes: readonly ReplicatingNode[] = this.nodes): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      for (const node of nodes) await node.tick();
      await this.pass(1_000);
    }
  }

  transportOf(sender: Pick<ReplicatingNode, 'name'>): Transport {
    return { request: (request) => this.#request(sender.name, request) };
  }

  async #request(from: string, request: TransportRequest): Promise<TransportAnswer> {
    const { origin, pathname } = new URL(request.url);
    const node = this.nodes.find(({ member }) => member.url === origin);
    if (node === undefined) throw new DependencyError('peer', 'unreachable', 'the peer cannot be reached');
    const noted: NetworkRequest = { from, to: node.name, path: pathname, bytes: Buffer.byteLength(request.body ?? ''), status: null };
    this.requests.push(noted);
    this.#steps += 1;
    const way = (): Way => this.#ways.get(`${from} ${node.name}`) ?? 'open';
    if (way() === 'cut' || (way() === 'closes large bodies' && noted.bytes > RUST_BODY_BYTES)) throw new DependencyError('peer', 'unreachable', 'the peer cannot be reached');
    const answer = await this.#inTime(request, () => (way() === 'hang' ? new Promise<never>(() => undefined) : injectRequest(node.app, request, '10.0.0.1', this.clock.nowMs())));
    noted.status = answer.status;
    if (way() === 'lose answers') throw new DependencyError('peer', 'unreachable', 'the connection was cut');
    if (answer.body.length > request.maxAnswerBytes) throw new DependencyError('peer', 'too_large', 'the answer is too long');
    return answer;
  }

  /** Fails when the timeout is reached or the signal aborts, as the real transport does. */
  async #inTime({ timeoutMs, signal }: TransportRequest, work: () => Promise<TransportAnswer>): Promise<TransportAnswer> {
    try {
      return await within(this.clock, 'the peer', timeoutMs, signal, work);
    } catch (error) {
      if (error instanceof DeadlineError) throw new DependencyError('peer', 'timeout', 'the peer did not answer in time');
      if (signal?.aborted === true) throw new DependencyError('peer', 'aborted', 'the request was aborted');
      throw error;
    } finally {
      this.#steps += 1;
    }
  }
}

/** Makes nodes of the current version that know each other. */
export function startNodes<Names extends readonly string[]>(...names: Names) {
  const network = new Network();
  const nodes = names.map((name) => network.add(name)) as { [Index in keyof Names]: ReplicatingNode };
  return { network, clock: network.clock, nodes };
}

/** Waits for peers to acknowledge a write. The outcome is `waiting` at first, and then the number of peers or the code of the refusal. */
export function waitingFor(node: ReplicatingNode, write: LocalWrite, peers: number): { outcome: unknown } {
  const seen: { outcome: unknown } = { outcome: 'waiting' };
  node.acknowledgements.wait(write, peers, 50_000).then(
    (count) => (seen.outcome = count),
    (error: unknown) => (seen.outcome = (error as RefusalError).code),
  );
  return seen;
}
