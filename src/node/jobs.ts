/**
 * What the slots of the machine do: each step of node_tick and the replication behind sync_tick, performed with the rooms that know
 * how (protocol.md §1). The steps hand facts to the machine and keep the rest: the view of the chain that all steps of
 * one tick share, who this node is, and which hash it has claimed. Order and limits are the machine's.
 */
import { fromCallback, fromPromise } from 'xstate';
import { READ_ATTEMPTS, MASTER_SECRET_BYTES } from '../domain/limits.ts';
import { retry } from '../domain/deadline.ts';
import { DependencyError, InvariantError, invariant } from '../domain/errors.ts';
import { ZERO_HASH, type Hash32, type Wallet } from '../domain/ids.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import type { ChainView, Member } from '../domain/membership.ts';
import type { Chain, Clock, Enclave, Identity, Log } from '../domain/ports.ts';
import { REASONS, reason, type Reason } from '../domain/reasons.ts';
import type { Vault } from '../crypto/vault.ts';
import type {
  ClaimFacts,
  EligibilityFacts,
  HashFacts,
  MembershipFacts,
  SecretFacts,
  Slots,
  SyncKeyFacts,
  SyncTick,
} from '../machines/slots.ts';
import type { SnapshotRound } from '../machines/first-snapshot.ts';
import type { PeerCache } from '../registry/peer-cache.ts';
import type { Resync } from '../sync/resync.ts';
import type { Staleness } from '../sync/staleness.ts';
import type { Replicator } from '../sync/replicator.ts';
import type { SecretFetch } from '../sync/secret-fetch.ts';
import type { SnapshotFetch } from '../sync/snapshot-fetch.ts';
import type { PeerProbe } from '../sync/probe.ts';
import type { NodeIdentity } from './identity.ts';

/** Pause before the second read of a step; twice that before the third. Milliseconds. */
const READ_RETRY_PAUSE_MS = 250;

export interface NodeJobsOptions {
  /** `PEER_CACHE_TTL_SECONDS` in milliseconds. */
  readonly peerCacheTtlMs: number;
}

export interface NodeJobsModules {
  readonly clock: Clock;
  readonly log: Log;
  readonly failures: Pick<FailureLog, 'note'>;
  readonly chain: Chain;
  readonly enclave: Pick<Enclave, 'random'>;
  readonly identity: NodeIdentity;
  readonly vault: Vault;
  readonly peerCache: PeerCache;
  /** Whether `identity` is an eligible member; null when it is (protocol.md §1, step 2). */
  readonly judgeEligibility: (identity: Identity, view: ChainView) => Reason | null;
  readonly secretFetch: Pick<SecretFetch, 'fetchMasterSecret'>;
  readonly snapshotFetch: Pick<SnapshotFetch, 'fetchFirstSnapshot'>;
  readonly probe: Pick<PeerProbe, 'probePeers'>;
  readonly replicator: Pick<Replicator, 'syncTick'>;
  readonly staleness: Pick<Staleness, 'isStale'>;
  readonly resync: Pick<Resync, 'begin' | 'complete' | 'giveUp'>;
  /** The members besides this node, after each refresh. */
  readonly onMembership: (members: readonly Member[]) => void;
  /** Another secret serves now: everything that only the old one could read goes. */
  readonly resetStore: () => void;
}

export class NodeJobs {
  readonly #options: NodeJobsOptions;
  readonly #modules: NodeJobsModules;
  /** One refresh at a time, whoever asked for it. */
  #refresh: Promise<ChainView> | null = null;
  #view: ChainView | null = null;
  #generation = 0;
  /** The hash of the secret that this process made to be claimed: nobody else can have claimed it, nor written under it. */
  #made: Hash32 | null = null;
  /** The head has shown the candidate's hash; if it shows zero again, the owner has reset it. */
  #candidateSeen = false;
  #secretFrom: Wallet | null = null;

  constructor(options: NodeJobsOptions, modules: NodeJobsModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Whom the master secret came from; null when it was made here. For `/status`. */
  secretFrom(): Wallet | null {
    return this.#secretFrom;
  }

  /** The filled slots, for `machine.provide`. */
  actors(): Slots {
    return {
      refreshMembership: this.#step('refreshMembership', (signal) => this.refreshMembership(signal)),
      checkEligibility: this.#step('checkEligibility', (signal) => this.checkEligibility(signal)),
      readHash: this.#step('readHash', (signal) => this.readHash(signal)),
      claimHash: this.#step('claimHash', (signal) => this.claimHash(signal)),
      fetchSecret: this.#step('fetchSecret', (signal) => this.fetchSecret(signal)),
      installSyncKey: this.#step('installSyncKey', async () => this.installSyncKey()),
      fetchSnapshot: this.#step('fetchSnapshot', (signal) => this.fetchSnapshot(signal)),
      replicate: fromCallback<SyncTick>(({ receive }) => {
        const ready = new AbortController();
        receive(({ nudged = false }) => this.#modules.replicator.syncTick(nudged, ready.signal));
        return () => ready.abort(new Error('the node is not ready any more'));
      }),
      probePeers: this.#step('probePeers', (signal) => this.probePeers(signal)),
    };
  }

  /** The boundary of a step: what it throws is logged here, and the machine makes a reason of it. */
  #step<Facts>(name: string, work: (signal: AbortSignal) => Promise<Facts>) {
    return fromPromise<Facts>(async ({ signal }) => {
      try {
        return await work(signal);
      } catch (error) {
        if (!signal.aborted) this.#modules.failures.note(this.#modules.log, `the step ${name}`, error);
        throw error;
      }
    });
  }

  /** Step 1. A failed read leaves the old cache. */
  async refreshMembership(signal: AbortSignal): Promise<MembershipFacts> {
    while (this.#refresh !== null) await this.#refresh.catch(() => undefined);
    signal.throwIfAborted();
    const view = await this.#readMembership(signal);
    this.#view = view;
    const { hash, membership } = view;
    // Whoever is no member any more never comes to step 3, and must hand out nothing that was reset all the same.
    const isWithdrawn = hash.kind === 'read' && this.#modules.vault.withdrawUnless(hash.hash);
    return { block: Number(view.block), members: membership.members.length, shownInstead: isWithdrawn ? hash.hash : null };
  }

  /**
   * Before outbound work beside node_tick: reads the membership again when it is older than `PEER_CACHE_TTL_SECONDS`. The view
   * that a node_tick works with stays as it is.
   */
  async refreshForOutbound(signal: AbortSignal): Promise<void> {
    const { peerCache } = this.#modules;
    if (peerCache.ageMs() <= this.#options.peerCacheTtlMs) return;
    if (this.#refresh !== null) {
      await this.#refresh.catch(() => undefined);
      return;
    }
    const { membership } = await this.#readMembership(signal);
    this.#modules.onMembership(this.#modules.identity.others(membership));
  }

  #readMembership(signal: AbortSignal): Promise<ChainView> {
    const refresh = this.#readView(signal).finally(() => {
      if (this.#refresh === refresh) this.#refresh = null;
    });
    this.#refresh = refresh;
    return refresh;
  }

  async #readView(signal: AbortSignal): Promise<ChainView> {
    const { chain, peerCache, log } = this.#modules;
    const view = await chain.readView(signal);
    signal.throwIfAborted();
    const { members, dropped } = view.membership;
    peerCache.update(view.membership);
    log.debug('membership refreshed', { block: Number(view.block), members: members.length, dropped: dropped.length });
    return view;
  }

  /** Step 2. */
  async checkEligibility(signal: AbortSignal): Promise<EligibilityFacts> {
    const { identity, judgeEligibility, onMembership } = this.#modules;
    const current = await identity.refresh(signal);
    onMembership(this.#others());
    const why = judgeEligibility(current, this.#currentView());
    return why === null ? { eligible: true } : { eligible: false, reason: why };
  }

  /** Step 3: tells the vault what the chain shows; a secret that is kept may serve again by that. */
  async readHash(signal: AbortSignal): Promise<HashFacts> {
    const { chain, clock, vault, log } = this.#modules;
    const view = this.#currentView();
    let reading = view.hash;
    if (reading.kind === 'unreadable') {
      reading = await retry(clock, READ_ATTEMPTS - 1, READ_RETRY_PAUSE_MS, signal, async () => {
        const again = await chain.readHash(view.block, signal);
        if (again.kind === 'unreadable') throw new DependencyError('chain', 'malformed', again.detail);
        return again;
      });
      signal.throwIfAborted();
    }
    if (reading.kind === 'shallow') return { kind: 'shallow' };
    const { hash } = reading;
    const isOwn = await this.#hasClaimed(hash, signal);
    const observed = vault.observeChainHash(hash);
    if (observed === 'zero') return { kind: 'zero' };
    if (observed === 'unmatched') return { kind: 'unmatched', hash };
    const changed = this.#noteGeneration();
    const claimedHere = changed && isOwn;
    if (changed) {
      this.#secretFrom = null;
      this.#candidateSeen = false;
      log.info('the chain confirms the master secret held here', { hash, claimed_here: claimedHere });
    }
    return { kind: 'confirmed', hash, changed, claimedHere };
  }

  /** Step 3, zero: one try to claim the candidate's hash. */
  async claimHash(signal: AbortSignal): Promise<ClaimFacts> {
    const { chain, vault, identity, log } = this.#modules;
    const view = this.#currentView();
    invariant(identity.current() !== null, 'a claim was tried before the enclave said who this node is');
    const own = identity.ownEntry(view.membership);
    if (own?.versionStatus !== 'ENROLLED') return { reason: reason(REASONS.versionMayNotClaim), progress: '' };
    if (this.#candidateSeen && (await chain.readHeadHash(signal)) === ZERO_HASH) this.#retireCandidate();
    const hash = vault.candidateHash() ?? (await this.#makeCandidate(signal));
    if (hash === null) return { reason: reason(REASONS.cannotGetRandom), progress: '' };
    const report = await chain.claim(hash, signal);
    signal.throwIfAborted();
    switch (report.kind) {
      case 'head_shows': {
        if (report.hash === hash) this.#candidateSeen = true;
        const whose = report.hash === hash ? 'claimed here' : 'claimed by another node';
        // While the head moves the claim gets deeper: that is progress.
        return { reason: reason(REASONS.hashNotDeepEnough, whose), progress: `head ${view.head}` };
      }
      case 'pending':
        log.info('claim of the master secret hash is pending', { hash, transaction: report.transactionHash });
        return { reason: reason(REASONS.awaitingHash), progress: report.transactionHash };
      case 'was_reset':
        this.#retireCandidate();
        return { reason: reason(REASONS.awaitingHash, 'the claimed hash was reset'), progress: report.transactionHash };
      case 'refused':
        return { reason: reason(REASONS.failedToSetHash, report.detail), progress: '' };
    }
  }

  /** Step 4. */
  async fetchSecret(signal: AbortSignal): Promise<SecretFacts> {
    const { secretFetch, vault, log } = this.#modules;
    const outcome = await secretFetch.fetchMasterSecret(this.#others(), signal);
    // Whatever becomes of this step: the store must not outlive the secret that its values are encrypted under.
    const changed = this.#noteGeneration();
    signal.throwIfAborted();
    if (outcome.kind === 'failed') return { kind: 'failed', reason: outcome.reason };
    const hash = vault.confirmedHash();
    invariant(hash !== null, 'a secret was reported as installed that is not confirmed');
    this.#secretFrom = outcome.from;
    this.#candidateSeen = false;
    log.info('master secret taken over', { hash, from: outcome.from });
    return { kind: 'installed', hash, changed };
  }

  /** Step 5. */
  installSyncKey(): SyncKeyFacts {
    const { vault, staleness } = this.#modules;
    vault.installSyncKey();
    return { stale: staleness.isStale() };
  }

  /** Step 4, the snapshot: the member that gave the secret is asked first. */
  async fetchSnapshot(signal: AbortSignal): Promise<SnapshotRound> {
    const others = this.#others();
    if (others.length === 0) return { others: 0, asked: 0, answered: 0, complete: false };
    const { snapshotFetch, resync } = this.#modules;
    resync.begin();
    const outcome = await snapshotFetch.fetchFirstSnapshot(others, this.#secretFrom, signal);
    if (outcome.completeFrom !== null) await resync.complete();
    else if (outcome.answered >= others.length) resync.giveUp();
    return {
      others: others.length,
      asked: outcome.asked,
      answered: outcome.answered,
      complete: outcome.completeFrom !== null,
    };
  }

  async probePeers(signal: AbortSignal): Promise<undefined> {
    await this.#modules.probe.probePeers(this.#others(), signal);
    return undefined;
  }

  /** Members besides this node. */
  #others(): readonly Member[] {
    return this.#modules.identity.others(this.#currentView().membership);
  }

  #currentView(): ChainView {
    if (this.#view === null) throw new InvariantError('a step of node_tick ran before the chain was read');
    return this.#view;
  }

  /** Nobody can have written under it before. Asked before the vault is told: what cannot be read is no claim of this node. */
  async #hasClaimed(hash: Hash32, signal: AbortSignal): Promise<boolean> {
    const { chain, vault } = this.#modules;
    if (this.#made === hash) return true;
    // A secret that was given to this node: another one that knows it may have been first.
    if (vault.candidateHash() !== hash) return false;
    const claimed = await chain.hasClaimed(hash, signal).catch(() => false);
    signal.throwIfAborted();
    return claimed;
  }

  /** Whether another secret serves than at the last look; empties the store when it replaced one. */
  #noteGeneration(): boolean {
    const generation = this.#modules.vault.generation();
    if (generation === this.#generation) return false;
    if (this.#generation > 0) this.#modules.resetStore();
    this.#generation = generation;
    return true;
  }

  async #makeCandidate(signal: AbortSignal): Promise<Hash32 | null> {
    const { enclave, vault } = this.#modules;
    try {
      const secret = await enclave.random(signal);
      invariant(secret.length === MASTER_SECRET_BYTES, 'the enclave gave a random text of another length');
      const hash = vault.holdCandidate(secret);
      invariant(hash !== ZERO_HASH, 'a candidate hashes to zero');
      // The answer to a claim may be lost while the claim is not.
      this.#made = hash;
      return hash;
    } catch (error) {
      if (error instanceof InvariantError || signal.aborted) throw error;
      return null;
    }
  }

  /** The candidate stood on the chain and is gone: the owner reset it, so it is never claimed again (protocol.md §10). */
  #retireCandidate(): void {
    this.#modules.vault.retireCandidate();
    this.#candidateSeen = false;
    this.#made = null;
    this.#modules.log.warn('the claimed hash was reset before it was deep enough; a fresh secret is claimed instead');
  }
}
