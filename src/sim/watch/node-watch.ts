/**
 * Checks one process against the rules that it must keep at all times. After each event of the process, it compares what the process
 * believes with the true state of the chain, the vault and the enclave.
 */
import { parseTeePubkey, ZERO_HASH, type Hash32, type TeePubkey } from '../../domain/ids.ts';
import type { NodeSnapshot } from '../../machines/status.ts';
import { readinessState } from '../../machines/status.ts';
import { CONFIRMATIONS, KMS_APP_ID, type ContractState, type SimChain, type SimInstance } from '../world/sim-chain.ts';
import type { Life } from '../world/sim-node.ts';
import { covers } from './reference.ts';
import type { Checks, Report } from './violation.ts';
import type { WriteHistory } from './write-history.ts';

/** Maximum number of round trips in a good read of the chain. Most reads take three, and a few take four. */
const MAX_TRIPS = 4;
/** The product's limit on the number of writes that wait for acknowledgements at the same time. */
const MAX_WAITING = 4_096;
const MAX_RETRIES = 4_096;

export interface NodeWatchModules {
  readonly chain: SimChain;
  readonly report: Report;
  readonly checks: Checks;
  readonly history: WriteHistory;
  /** Whether no fault has affected a process, or anything that it depends on, for `forMs`. */
  readonly isCalm: (life: Life, forMs: number) => boolean;
  /** Whether the instance of a wallet has never lied. */
  readonly isHonestWallet: (wallet: string) => boolean;
  /** Simulated milliseconds. */
  readonly nowMs: () => number;
  readonly onState: (life: Life, state: string) => void;
  /** Called when the view of a process is from a different block than before. */
  readonly onView: (life: Life, block: number) => void;
}

/** Whether an instance is a member according to the state of the contracts. */
export function isMember(state: ContractState, instance: SimInstance): boolean {
  const version = state.versions.get(`${instance.appId}:${instance.versionId}`);
  return instance.appId === KMS_APP_ID && instance.status === 'ACTIVE' && instance.zkVerified && (version === 'ENROLLED' || version === 'DEPRECATED');
}

/** Allowance for work that is under way when a view becomes too old. Milliseconds. */
const VIEW_AGE_SLACK_MS = 5_000;

export class NodeWatch {
  readonly #life: Life;
  readonly #modules: NodeWatchModules;
  #seen: NodeSnapshot | null = null;
  #state = '';
  #run = 0;
  #syncTicks = 0;
  #step: string = 'idle';
  #wavesThen = 0;
  #singleHashReadsThen = 0;
  #calmThen = false;
  readonly #acknowledged = new Map<string, number>();
  /** The block of the latest view of the process. */
  #viewBlock = -1;
  /** When the last node_tick of the process began. Simulated milliseconds. */
  tickBeganMs = 0;

  constructor(life: Life, modules: NodeWatchModules) {
    this.#life = life;
    this.#modules = modules;
    life.node.actor.subscribe({ next: (snapshot) => this.#onSnapshot(snapshot), error: () => undefined });
  }

  /** Called for each transition of the machine, even if several happen in one event. */
  #onSnapshot(snapshot: NodeSnapshot): void {
    const { report, checks, isCalm, onState } = this.#modules;
    const life = this.#life;
    const step = snapshot.value.nodeTick;
    const { run } = snapshot.context.tick;
    if (run !== this.#run) {
      checks.note('one node_tick at a time');
      if (run !== this.#run + 1 || this.#step !== 'idle') report('one node_tick at a time', `${life.name} began tick ${run} while tick ${this.#run} was in ${this.#step}`);
      this.#run = run;
      this.tickBeganMs = this.#modules.nowMs();
    }
    if (step !== this.#step) {
      if (step === 'readingChain') {
        this.#wavesThen = life.rpc.waves;
        this.#singleHashReadsThen = life.rpc.singleHashReads;
        this.#calmThen = isCalm(life, 0) && life.instance.rpcBehaviour.backends.length === 0;
      } else if (this.#step === 'readingChain' && this.#calmThen && isCalm(life, 0) && life.instance.rpcBehaviour.backends.length === 0) {
        this.#checkReading();
      }
      this.#step = step;
    }
    const state = readinessState(snapshot);
    const syncTicks = snapshot.context.syncTicks.run;
    if (syncTicks !== this.#syncTicks) {
      checks.note('sync_tick runs only in `ready`');
      if (state !== 'ready') report('sync_tick runs only in `ready`', `${life.name} is ${state}`);
      this.#syncTicks = syncTicks;
    }
    if (this.#state === 'ready' && isCalm(life, 0)) checks.note('a ready node stays ready while all is well');
    if (state === this.#state) return;
    if (this.#state === 'ready' && isCalm(life, 0)) {
      report('a ready node stays ready while all is well', `${life.name} is ${state}: ${snapshot.context.reason?.text ?? 'no reason'}`);
    }
    this.#state = state;
    onState(life, state);
  }

  /** Called when `readingChain` has ended and the RPC had no fault during that step. */
  #checkReading(): void {
    const { report, checks } = this.#modules;
    const { name, rpc } = this.#life;
    checks.note('a node_tick reads the chain in at most four round trips');
    const trips = rpc.waves - this.#wavesThen;
    if (trips > MAX_TRIPS) report('a node_tick reads the chain in at most four round trips', `${name} made ${trips} round trips`);
    const invariant = 'a node that found no Multicall3 looks for it again';
    checks.note(invariant);
    if (rpc.singleHashReads > this.#singleHashReadsThen) report(invariant, `${name} reads each view with a separate call`);
  }

  /** Called after each event of this process. */
  check(): void {
    const snapshot = this.#life.node.actor.getSnapshot();
    this.#checkSecret();
    if (snapshot !== this.#seen) {
      this.#seen = snapshot;
      this.#checkServing(snapshot);
      this.#checkMembership();
    }
    this.#checkAcknowledged();
  }

  #checkSecret(): void {
    const { chain, report, checks } = this.#modules;
    checks.note('a secret is confirmed only after its hash has become deep enough in the chain');
    const hash = this.#life.node.inside.vault.servingHash();
    if (hash !== null && !chain.deepHashes.has(hash)) {
      report('a secret is confirmed only after its hash has become deep enough in the chain', `${this.#life.name} confirmed ${short(hash)}`);
    }
  }

  #checkServing(snapshot: NodeSnapshot): void {
    if (readinessState(snapshot) !== 'ready') return;
    const { chain, report, checks } = this.#modules;
    const life = this.#life;
    checks.note('a node is ready only with the secret that the chain shows, and only while it is a member');
    const { block, reason } = snapshot.context;
    const { vault, secret } = life.node.inside;
    const chainHash = secret.life.shown;
    const say = (what: string): void => report('a node is ready only with the secret that the chain shows, and only while it is a member', `${life.name} ${what}`);
    if (chainHash === null || chainHash === ZERO_HASH || secret.confirmedHash() !== chainHash) { say('is ready without a confirmed secret'); return; }
    if (vault.servingHash() !== chainHash) { say('is ready with a secret that the chain does not show'); return; }
    if (!vault.hasSyncKey()) { say('is ready without a sync key'); return; }
    if (reason !== null) { say('is ready and gives a reason for not being ready'); return; }
    const { outageMs, nodeTickMs } = life.node.inside.freshness;
    // The limit includes one tick interval, because a clock may be set ahead between two ticks.
    if (outageMs > 0) this.#checkViewAge(snapshot, outageMs + nodeTickMs + VIEW_AGE_SLACK_MS, 'a ready node has a view of the chain that is not too old');
    if (block === null || block > chain.head - CONFIRMATIONS) { say(`is ready with a view of block ${block}, but the head is ${chain.head}`); return; }
    // During a tick, parts of the context are newer than the last decision, so the checks below wait until the tick has ended.
    if (snapshot.value.nodeTick !== 'idle') return;
    const state = chain.stateAt(block);
    if (state.hash !== chainHash) { say(`is ready with a hash that block ${block} does not show`); return; }
    const own = state.instances.get(life.instance.wallet);
    if (own === undefined || !isMember(state, own)) { say(`is ready but not a member at block ${block}`); return; }
    if (own.teePubkey !== parseTeePubkey(life.enclave.teePubkey)) say('is ready with a teePubkey that is not the registered one');
  }

  /** Checks the age of the machine's view, measured with the clocks of the node. */
  #checkViewAge({ context: { view } }: NodeSnapshot, atMostMs: number, invariant: string): void {
    const { report, checks } = this.#modules;
    const { clock } = this.#life;
    checks.note(invariant);
    const ageMs = view === null ? Infinity : Math.max(clock.nowMs() - view.blockMs, clock.monotonicMs() - view.readAtMonotonicMs);
    if (ageMs > atMostMs) report(invariant, `${this.#life.name} has a view that is ${ageMs} ms old`);
  }

  #checkMembership(): void {
    const { chain, report, checks } = this.#modules;
    const membership = this.#life.node.inside.peerCache.membership();
    if (membership === null) return;
    const block = Number(membership.block);
    if (block !== this.#viewBlock) {
      checks.note('a view of the chain never goes back');
      if (block < this.#viewBlock) report('a view of the chain never goes back', `${this.#life.name} went from block ${this.#viewBlock} to ${block}`);
      this.#viewBlock = block;
      this.#checkBlockTime(block);
      this.#modules.onView(this.#life, block);
    }
    checks.note('the members are those that the chain shows');
    const state = chain.stateAt(Number(membership.block));
    const members = [...state.instances.values()].filter((instance) => isMember(state, instance));
    const strangers = membership.members.filter(({ wallet }) => !members.some((member) => member.wallet === wallet));
    if (strangers.length > 0) report('the members are those that the chain shows', `${this.#life.name} treats ${strangers.length} strangers as members`);
    if (membership.members.length + membership.dropped.length === 0 && members.length > 0) {
      report('the members are those that the chain shows', `${this.#life.name} treats an unreadable list as empty`);
    }
    checks.note('a failed read does not empty the membership');
    const isUnread = membership.dropped.every(({ why }) => why.includes('version cannot be read'));
    if (isUnread && membership.members.length === 0 && members.length > 0) {
      report('a failed read does not empty the membership', `${this.#life.name} knows no member, because it could not read any version`);
    }
  }

  /**
   * A node must refuse a block whose time is too far ahead of the node's clock, because otherwise the view would seem younger than it is
   * (protocol.md §6, Freshness).
   */
  #checkBlockTime(block: number): void {
    const { report, checks } = this.#modules;
    const { name, rpc, clock, instance } = this.#life;
    if (rpc.lastBlock?.number !== block) return;
    checks.note('a block whose time is ahead of the clock is not accepted');
    const aheadMs = rpc.lastBlock.timeMs - clock.nowMs();
    if (aheadMs > instance.maxClockSkewMs) report('a block whose time is ahead of the clock is not accepted', `${name} accepts a block whose time is ${Math.round(aheadMs / 1_000)} s ahead`);
  }

  /** A write that counts as acknowledged by a peer must be one that the peer has accepted. */
  #checkAcknowledged(): void {
    const { report, checks, history, isHonestWallet } = this.#modules;
    const life = this.#life;
    for (const { wallet, progress } of life.node.inside.replicas.all()) {
      const { acknowledgedUpTo } = progress;
      const before = this.#acknowledged.get(wallet) ?? 0;
      if (acknowledgedUpTo === before) continue;
      this.#acknowledged.set(wallet, acknowledgedUpTo);
      if (acknowledgedUpTo < before || !isHonestWallet(wallet) || Object.keys(progress.refused).length > 0) continue;
      if (life.node.inside.staleness.isStale()) continue;
      checks.note('an acknowledged sequence is at most what the peer has accepted');
      for (const write of history.ownBetween(life, before, acknowledgedUpTo)) {
        if (write.superseded || history.isTouched(write.appId, write.key)) continue;
        // The node may have dropped this record, or its replacement, because of its age. If so, it sent nothing, and the peer may lack the
        // record.
        const held = life.node.inside.store.recordOf(write.appId, write.key);
        if (held === null || !covers(held.version, write.record.version)) continue;
        const taken = [...write.holders.keys()].some((holder) => holder.instance.wallet === wallet);
        if (!taken) report('an acknowledged sequence is at most what the peer has accepted', `${life.name} treats ${write.key} as acknowledged by a peer that never had it`);
      }
    }
  }

  /** Checks that no queue exceeds its limit. */
  checkLimits(): void {
    const { report, checks } = this.#modules;
    const { acknowledgements, replicas } = this.#life.node.inside;
    checks.note('no queue exceeds its limit');
    if (acknowledgements.size > MAX_WAITING) report('no queue exceeds its limit', `${acknowledgements.size} writes wait for acknowledgements on ${this.#life.name}`);
    for (const { waitingRetries } of replicas.views()) {
      if (waitingRetries > MAX_RETRIES) report('no queue exceeds its limit', `${waitingRetries} records wait to be sent again on ${this.#life.name}`);
    }
  }

  /** Checks a message that the process is about to send. */
  checkSaying(plaintext: string, receiver: TeePubkey, registered: ReadonlySet<string>): void {
    const { report, checks, chain } = this.#modules;
    const life = this.#life;
    checks.note('nothing is sealed to a key that is not registered');
    if (!registered.has(receiver.toLowerCase())) report('nothing is sealed to a key that is not registered', `${life.name} sealed a text to a key that is not registered`);
    const { vault } = life.node.inside;
    if (plaintext.startsWith('{"type":"delta"')) {
      checks.note('a node that is not ready sends nothing from its store');
      if (this.#state !== 'ready' && !life.stopping) report('a node that is not ready sends nothing from its store', `${life.name} is ${this.#state}`);
    }
    if (/"sealed":\{/.test(plaintext)) {
      const { maxAgeMs, nodeTickMs } = life.node.inside.freshness;
      const oldestMs = maxAgeMs + nodeTickMs + VIEW_AGE_SLACK_MS;
      // A read of the chain for outbound work can make this view newer than the machine's view.
      const ageMs = life.node.inside.chainWatch.figures().viewAgeMs ?? Infinity;
      const fresh = 'the secret is handed out only with a fresh view of the chain';
      checks.note(fresh);
      if (maxAgeMs > 0 && ageMs > oldestMs) report(fresh, `${life.name} has a view that is ${ageMs} ms old`);
      checks.note('the secret is handed out only while it is confirmed');
      const hash: Hash32 | null = vault.servingHash();
      if (hash === null || !chain.deepHashes.has(hash)) report('the secret is handed out only while it is confirmed', `${life.name} handed out a secret that is not confirmed`);
    }
    if (/^\{"app_id":0,/.test(plaintext)) report('app 0 gets no answer', `${life.name} answered app 0`);
  }
}

export function short(hash: string): string {
  return hash.slice(0, 10);
}
