/**
 * Fills the slots of the machine (protocol.md §1): runs each step of node_tick, and the replication that a sync_tick triggers, by calling
 * the modules that do the work. The machine decides the order and the timeouts of the steps. `machines/secret-life.ts` decides which secret
 * may be claimed, which one may serve and which one is set aside. This file connects these modules to the machine, and returns facts to it.
 */
import { fromCallback, fromPromise } from 'xstate';
import { DependencyError, InvariantError, invariant } from '../domain/errors.ts';
import { MASTER_SECRET_BYTES } from '../domain/limits.ts';
import type { FailureLog } from '../domain/failure-log.ts';
import { describeFailure } from '../domain/failure-facts.ts';
import type { Member, Membership } from '../domain/membership.ts';
import type { Chain, Enclave, Identity, Log, PeerDirectory } from '../domain/ports.ts';
import { REASONS, reason, type Reason } from '../domain/reasons.ts';
import type { Vault } from '../crypto/vault.ts';
import { claimFacts } from '../machines/claim-outcome.ts';
import type { SnapshotRound } from '../machines/first-snapshot.ts';
import type {
  ChainFacts,
  ChainFailure,
  ClaimFacts,
  EligibilityFacts,
  HashFacts,
  SecretFacts,
  Slots,
  SyncKeyFacts,
  SyncTick,
} from '../machines/slots.ts';
import type { SecretFetch } from '../sync/secret-fetch.ts';
import type { SnapshotFetch } from '../sync/snapshot-fetch.ts';
import type { PeerProbe } from '../sync/probe.ts';
import type { Replicator } from '../sync/replicator.ts';
import type { Resync } from '../sync/resync.ts';
import type { Staleness } from '../sync/staleness.ts';
import type { SureRound } from '../sync/sure-round.ts';
import type { ChainWatch, ReadableHash } from './chain-watch.ts';
import type { NodeIdentity } from './identity.ts';
import type { ClaimStep, MasterSecret } from './master-secret.ts';
import type { SurenessKeeper } from './sureness-keeper.ts';

export interface NodeJobsModules {
  readonly log: Log;
  readonly failures: Pick<FailureLog, 'note'>;
  readonly chain: Pick<Chain, 'readHeadHash' | 'claim' | 'hasClaimed'>;
  readonly chainWatch: Pick<ChainWatch, 'readForTick' | 'refreshForOutbound' | 'view'>;
  /** The membership of the last good read, which may be newer than the view of the last node_tick. */
  readonly directory: Pick<PeerDirectory, 'membership'>;
  readonly enclave: Pick<Enclave, 'random'>;
  readonly identity: NodeIdentity;
  readonly secret: MasterSecret;
  readonly vault: Pick<Vault, 'installSyncKey'>;
  /** Why `identity` is not an eligible member; null when it is one (protocol.md §1, step 2). */
  readonly judgeEligibility: (identity: Identity, membership: Membership) => Reason | null;
  /** Whether the version that this member runs may set the hash. */
  readonly mayClaim: (own: Member | undefined) => boolean;
  readonly secretFetch: Pick<SecretFetch, 'fetchMasterSecret'>;
  readonly snapshotFetch: Pick<SnapshotFetch, 'fetchFirstSnapshot'>;
  readonly probe: Pick<PeerProbe, 'probePeers'>;
  readonly replicator: Pick<Replicator, 'syncTick'>;
  readonly staleness: Pick<Staleness, 'isStale'>;
  readonly resync: Pick<Resync, 'begin' | 'complete' | 'giveUp'>;
  readonly sureness: Pick<SurenessKeeper, 'noteTick' | 'noteMembers'>;
  readonly sureRound: Pick<SureRound, 'beforeReady' | 'whileReady'>;
  readonly onBrokenInvariant: (error: Error) => void;
  /** Called after each refresh of the membership, with the members besides this node. */
  readonly onMembership: (members: readonly Member[]) => void;
}

export class NodeJobs {
  readonly #modules: NodeJobsModules;

  constructor(modules: NodeJobsModules) {
    this.#modules = modules;
  }

  /** The filled slots, for `machine.provide`. */
  actors(): Slots {
    return {
      readChain: this.#step('readChain', (signal) => this.readChain(signal)),
      checkEligibility: this.#step('checkEligibility', (signal) => this.checkEligibility(signal)),
      claimHash: this.#step('claimHash', (signal) => this.claimHash(signal)),
      fetchSecret: this.#step('fetchSecret', (signal) => this.fetchSecret(signal)),
      installSyncKey: this.#step('installSyncKey', async () => this.installSyncKey()),
      fetchSnapshot: this.#step('fetchSnapshot', (signal) => this.fetchSnapshot(signal)),
      replicate: fromCallback<SyncTick>(({ receive }) => {
        const ready = new AbortController();
        receive(({ nudged = false }) => {
          this.#modules.replicator.syncTick(nudged, ready.signal);
          if (!nudged) void this.#becomeSure(ready.signal);
        });
        void this.#becomeSure(ready.signal);
        return () => ready.abort(new Error('the node is no longer ready'));
      }),
      probePeers: this.#step('probePeers', (signal) => this.probePeers(signal)),
    };
  }

  /** The boundary of a step: if the step fails, logs the error. The machine then turns the error into a reason. */
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

  /**
   * Step 1 of node_tick: reads the chain. If the chain no longer shows the hash of the secret, the secret stops serving in this step,
   * however the tick ends.
   */
  async readChain(signal: AbortSignal): Promise<ChainFacts | ChainFailure> {
    const view = await this.#modules.chainWatch.readForTick(signal);
    if (view.hash.kind === 'unreadable') return { failed: reason(REASONS.cannotReadHash, view.hash.detail) };
    const hash = await this.#observeHash(view.hash, signal);
    return { block: Number(view.block), blockMs: view.timestampMs, members: view.membership.members.length, hash };
  }

  async #observeHash(reading: ReadableHash, signal: AbortSignal): Promise<HashFacts> {
    if (reading.kind === 'shallow') return reading;
    const { secret, chain, log } = this.#modules;
    const { hash } = reading;
    // If the receipt cannot be read, the hash is treated as another node's claim. This node then asks for a first snapshot, instead of
    // assuming that no other node has records.
    const setHere = secret.needsReceipt(hash) && (await chain.hasClaimed(hash, signal).catch(() => false));
    signal.throwIfAborted();
    const before = secret.confirmedHash();
    secret.observe({ type: 'chain.shows', hash, setHere });
    const standing = secret.standing();
    if (standing.kind === 'confirmed' && before !== hash) {
      log.info('the chain confirms the master secret that this node holds', { hash, claimed_here: standing.store.claimedHere });
    }
    return standing;
  }

  /** Refreshes the membership if it is too old. Called before outbound work outside node_tick. */
  async refreshForOutbound(signal: AbortSignal): Promise<void> {
    const { chainWatch, identity, judgeEligibility, onMembership, sureness } = this.#modules;
    const membership = await chainWatch.refreshForOutbound(signal);
    if (membership === null) return;
    const others = identity.others(membership);
    onMembership(others);
    const current = identity.current();
    // A node that is not a member must not conclude that it is the only member.
    if (current !== null && judgeEligibility(current, membership) === null) sureness.noteMembers(others);
  }

  /** Step 2 of node_tick: asks the enclave who this node is, and judges whether it is an eligible member. */
  async checkEligibility(signal: AbortSignal): Promise<EligibilityFacts> {
    const { identity, chainWatch, judgeEligibility, onMembership } = this.#modules;
    const current = await identity.refresh(signal);
    onMembership(this.#others());
    const why = judgeEligibility(current, chainWatch.view().membership);
    return why === null ? { eligible: true } : { eligible: false, reason: why };
  }

  /** Step 3 of node_tick, if the chain hash is zero: makes one attempt to claim a hash. */
  async claimHash(signal: AbortSignal): Promise<ClaimFacts> {
    const { secret, identity, chainWatch, mayClaim } = this.#modules;
    invariant(identity.current() !== null, 'a claim was tried before the enclave had reported the identity of this node');
    if (!mayClaim(identity.ownEntry(chainWatch.view().membership))) return { reason: reason(REASONS.versionMayNotClaim), progress: '' };
    let step = secret.observe({ type: 'claim.due' });
    while (step !== null) {
      const done = await this.#performClaim(step, signal);
      if ('facts' in done) return done.facts;
      step = done.next;
    }
    return { reason: reason(REASONS.awaitingHash), progress: '' };
  }

  /** Carries out one part of a claim. The result either ends the step or contains the next part. */
  async #performClaim(step: ClaimStep, signal: AbortSignal): Promise<{ readonly facts: ClaimFacts } | { readonly next: ClaimStep | null }> {
    const { secret, chain, log } = this.#modules;
    const { head } = this.#modules.chainWatch.view();
    switch (step.kind) {
      case 'make_candidate': {
        const why = await this.#makeCandidate(signal);
        return why === null ? { next: secret.observe({ type: 'claim.due' }) } : { facts: { reason: why, progress: '' } };
      }
      case 'look_at_head': {
        const shown = await chain.readHeadHash(signal);
        signal.throwIfAborted();
        const next = secret.observe({ type: 'head.shows', hash: shown });
        // The head shows this claim or another one. `send_claim` finds out which, and sends nothing while the head shows a hash.
        if (next === null) return { next: { kind: 'send_claim', hash: step.hash } };
        log.warn('the claimed hash was reset before it was deep enough; a fresh secret is claimed instead');
        return { next };
      }
      case 'send_claim': {
        const report = await chain.claim(step.hash, signal);
        signal.throwIfAborted();
        if (report.kind === 'head_shows') secret.observe({ type: 'head.shows', hash: report.hash });
        if (report.kind === 'was_reset') {
          secret.observe({ type: 'claim.reset' });
          log.warn('the claimed hash was reset before it was deep enough; a fresh secret is claimed instead');
        }
        if (report.kind === 'pending') {
          log.info('claim of the master secret hash is pending', { hash: step.hash, transaction: report.transactionHash });
        }
        return { facts: claimFacts(report, step.hash, head) };
      }
    }
  }

  /** Makes a candidate from the enclave's random bytes. @returns null if there is a candidate now, otherwise why there is none */
  async #makeCandidate(signal: AbortSignal): Promise<Reason | null> {
    const { enclave, secret, failures, log } = this.#modules;
    try {
      const bytes = await enclave.random(signal);
      invariant(bytes.length === MASTER_SECRET_BYTES, 'the enclave returned random bytes of the wrong length');
      secret.holdCandidate(bytes, 'made');
    } catch (error) {
      if (!(error instanceof DependencyError) || signal.aborted) throw error;
      failures.note(log, 'the step claimHash', error);
      return reason(REASONS.cannotGetRandom, describeFailure(error));
    }
    return secret.claimableHash() === null ? reason(REASONS.cannotGetRandom, 'the enclave returned a secret whose hash was reset earlier') : null;
  }

  /** Step 4 of node_tick: fetches the master secret from another member. */
  async fetchSecret(signal: AbortSignal): Promise<SecretFacts> {
    const { secretFetch, secret, log } = this.#modules;
    const outcome = await secretFetch.fetchMasterSecret(this.#others(), signal);
    signal.throwIfAborted();
    if (outcome.kind === 'failed') return { kind: 'failed', reason: outcome.reason };
    const standing = secret.standing();
    invariant(standing.kind === 'confirmed', 'a secret was reported as installed, but it is not confirmed');
    log.info('master secret installed', { hash: standing.store.secret, from: outcome.from });
    return { kind: 'installed', store: standing.store };
  }

  /** Step 5 of node_tick: installs the sync key. */
  installSyncKey(): SyncKeyFacts {
    const { vault, staleness, secret, sureness } = this.#modules;
    vault.installSyncKey();
    const standing = secret.standing();
    sureness.noteTick(this.#others(), standing.kind === 'confirmed' && standing.store.claimedHere);
    return { stale: staleness.isStale() };
  }

  /** The second part of step 4: asks for a snapshot, first the member that sent the secret, then the other members. */
  async fetchSnapshot(signal: AbortSignal): Promise<SnapshotRound> {
    const others = this.#others();
    const { snapshotFetch, resync, secret, sureRound } = this.#modules;
    resync.begin();
    if (others.length === 0) {
      // A stale node that has become the only member has no other member to learn from.
      resync.giveUp();
      return { others: 0, asked: 0, answered: 0, complete: false };
    }
    const { asked, answered, completeFrom } = await snapshotFetch.fetchFirstSnapshot(others, secret.named().from, signal);
    if (completeFrom !== null) await resync.complete();
    else if (answered >= others.length) resync.giveUp();
    if (completeFrom !== null || answered >= others.length) await sureRound.beforeReady(others, signal);
    return { others: others.length, asked, answered, complete: completeFrom !== null };
  }

  /**
   * Asks members whether they are sure of their stores, so that this node can become sure of its store. Runs when the node becomes ready and
   * at regular sync_ticks.
   */
  async #becomeSure(signal: AbortSignal): Promise<void> {
    const { directory, identity, sureRound, onBrokenInvariant } = this.#modules;
    try {
      await sureRound.whileReady(identity.others(directory.membership()), signal);
    } catch (error) {
      if (!signal.aborted) onBrokenInvariant(error instanceof Error ? error : new InvariantError('could not ask the members whether they are sure'));
    }
  }

  async probePeers(signal: AbortSignal): Promise<undefined> {
    await this.#modules.probe.probePeers(this.#others(), signal);
    return undefined;
  }

  /** Members besides this node, according to the view of the current node_tick. */
  #others(): readonly Member[] {
    return this.#modules.identity.others(this.#modules.chainWatch.view().membership);
  }
}
