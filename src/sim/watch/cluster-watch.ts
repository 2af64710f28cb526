/**
 * Checks a cluster against its rules. After each event, it checks the process of that event. Other checks compare processes with each
 * other. The simulation calls this class at each start, end, event and outgoing message of a process.
 */
import type { Config } from '../../config/settings.ts';
import type { Hash32, TeePubkey, Wallet } from '../../domain/ids.ts';
import type { WireRecord } from '../../domain/records.ts';
import type { SimChain } from '../world/sim-chain.ts';
import type { Life } from '../world/sim-node.ts';
import type { Owner, Timeline } from '../world/timeline.ts';
import { CallerWatch } from './caller-watch.ts';
import { ConversationWatch } from './conversation-watch.ts';
import { DerivationWatch } from './derivation-watch.ts';
import { watchHeldWrites } from './held-writes-watch.ts';
import { isMember, NodeWatch } from './node-watch.ts';
import { covers, goneFromMs } from './reference.ts';
import { RevocationWatch } from './revocation-watch.ts';
import { StoreWatch } from './store-watch.ts';
import { watchVault } from './vault-watch.ts';
import type { Checks, Report } from './violation.ts';
import { WriteHistory, type Write } from './write-history.ts';

/** Time between two full checks of all stores and limits. */
const FULL_CHECK_MS = 60_000;
/** An undisturbed cluster must replicate a write within this time. */
export const PROMPT_MS = 3_000;
/** After this time without a fault, all backoffs are over and every node has read the chain again. */
export const CALM_MS = 150_000;
/** The sender of a claim must notice within this time that the claim is deep enough, unless the sender was disturbed. */
const NOTICED_MS = 10_000;
/** A node that can get everything it needs from another node must be ready within this time, even if some members are silent. */
const READY_MS = 240_000;
/** Maximum age of the view with which a node may hand out the secret (protocol.md §8, `CHAIN_MAX_AGE_SECONDS`). */
const CHAIN_MAX_AGE_MS = 120_000;
/** A claim that was under way during a reset arrives within this time. */
const CLAIM_ECHO_MS = 60_000;

export interface ClusterWatchModules {
  readonly timeline: Timeline;
  readonly chain: SimChain;
  readonly config: Config;
  readonly checks: Checks;
  readonly report: Report;
  /** All running processes. */
  readonly lives: () => readonly Life[];
  /** Whether no fault has affected a process, or anything that it depends on, for `forMs`. */
  readonly isCalm: (life: Life, forMs: number) => boolean;
  /** Whether any instance has ever lied. */
  readonly hasLiars: () => boolean;
  readonly isHonestWallet: (wallet: string) => boolean;
  /** Whether the instance of a wallet currently sends answers without a valid signature. */
  readonly isUnsigned: (wallet: string) => boolean;
  /** How many times the owner has reset the hash. */
  readonly resets: () => number;
  /** All teePubkeys that were ever registered, in lower case. */
  readonly registered: ReadonlySet<string>;
  readonly note: (text: string) => void;
  /** Receives secret bytes that must never appear in the trace or the events. */
  readonly onSecret: (secret: Uint8Array) => void;
}

interface Watched {
  readonly conversation: ConversationWatch;
  readonly node: NodeWatch;
  readonly store: StoreWatch;
}

export class ClusterWatch {
  readonly history: WriteHistory;
  readonly #modules: ClusterWatchModules;
  readonly #derivations: DerivationWatch;
  readonly #revocations: RevocationWatch;
  readonly callers: CallerWatch;
  readonly #watched = new Map<Life, Watched>();
  /** The hash of the secret with which each process was last ready. */
  readonly #readyBy = new WeakMap<Life, string | null>();

  constructor(modules: ClusterWatchModules) {
    this.#modules = modules;
    const { report, checks, config, chain, timeline } = modules;
    this.#derivations = new DerivationWatch(report, checks);
    this.#revocations = new RevocationWatch({ chain, nowMs: () => timeline.nowMs });
    this.history = new WriteHistory(
      { retentionMs: config.tombstoneRetentionMs },
      {
        report,
        nowMs: () => timeline.nowMs,
        honestLives: () => modules.lives().filter((life) => !life.instance.everLied),
        secretHashOf: (life) => life.node.inside.vault.servingHash(),
      },
    );
    this.callers = new CallerWatch({
      checks,
      report,
      nowMs: () => timeline.nowMs,
      isCalm: (life, forMs) => modules.isCalm(life, forMs),
      history: this.history,
      honestLives: () => modules.lives().filter((life) => !life.instance.everLied),
      storeSinceMs: (life) => this.storeOf(life).sinceMs,
    });
    chain.onDeep = () => void timeline.after(NOTICED_MS, null, () => this.#expectNoticed());
    chain.onClaim = (hash, sender) => this.#checkClaim(hash, sender);
    const checkAll = (): void => {
      this.#checkAll();
      timeline.after(FULL_CHECK_MS, null, checkAll);
    };
    timeline.after(FULL_CHECK_MS, null, checkAll);
  }

  storeOf(life: Life): StoreWatch {
    return this.#watched.get(life)!.store;
  }

  onStart(life: Life): void {
    const { checks, chain, config, timeline, isCalm, hasLiars, isHonestWallet, isUnsigned } = this.#modules;
    const { history } = this;
    const report: Report = (invariant, detail) => this.#modules.report(invariant, detail, life.name);
    const shared = { report, checks, history, nowMs: () => timeline.nowMs };
    const store = new StoreWatch(
      life,
      { retentionMs: config.tombstoneRetentionMs, maxClockSkewMs: config.maxClockSkewMs, maxStoreBytes: config.maxStoreBytes, maxApps: config.maxApps },
      {
        ...shared,
        onWrite: (appId, record) => this.#expectPrompt(life, appId, record),
        secretHash: () => life.node.inside.vault.servingHash(),
        isHonest: () => !hasLiars(),
      },
    );
    const node = new NodeWatch(life, { ...shared, chain, isCalm, isHonestWallet, onState: (who, state) => this.#onState(who, state), onView: (who, block) => this.#onView(who, block) });
    watchVault(life, { report, checks });
    watchHeldWrites(life, { report, checks });
    this.#watched.set(life, { node, store, conversation: new ConversationWatch(life, { report, checks, isUnsigned }) });
  }

  onEnd(life: Life): void {
    this.history.noteStoreLost(life, false);
    this.#watched.delete(life);
  }

  /** Called before a process seals a message to a key. */
  onSealing(life: Life, plaintext: string, receiver: TeePubkey): void {
    const watched = this.#watched.get(life);
    if (watched === undefined || life.instance.lies !== null) return;
    watched.node.checkSaying(plaintext, receiver, this.#modules.registered);
    watched.conversation.noteSaying(plaintext);
    if (plaintext.includes('"sealed":{')) this.#checkHandOver(life, receiver);
    if (!plaintext.startsWith('{"app_id":')) return;
    const answer = JSON.parse(plaintext) as Record<string, unknown>;
    if (typeof answer['path'] === 'string' && typeof answer['length'] === 'number') this.#noteDerived(life, answer);
    if (typeof answer['acks'] === 'number') this.#checkAcknowledged(life, answer, answer['acks']);
  }

  /** Called after each event of a process. */
  check(owner: Owner): void {
    const life = owner as Life;
    const watched = this.#watched.get(life);
    if (watched !== undefined && life.instance.lies === null) watched.node.check();
  }

  #checkAll(): void {
    for (const [life, { node, store }] of this.#watched) {
      if (life.frozenUntilMs > this.#modules.timeline.nowMs || life.instance.everLied) continue;
      store.checkAll();
      node.checkLimits();
      this.#checkReady(life);
    }
  }

  /** Members that are silent or lie must not keep other nodes unready for long. */
  #checkReady(life: Life): void {
    const { checks, report, chain, lives, isCalm, timeline } = this.#modules;
    const { deepState } = chain;
    const instance = deepState.instances.get(life.instance.wallet);
    const sinceMs = chain.deepHashes.get(deepState.hash);
    if (instance === undefined || !isMember(deepState, instance) || sinceMs === undefined || timeline.nowMs - sinceMs < READY_MS || !isCalm(life, READY_MS)) return;
    const sources = lives().filter((other) => other !== life && this.#isWell(other, READY_MS) && other.node.readiness().firstSnapshot === 'complete');
    if (sources.length === 0) return;
    const invariant = 'a node that can get everything it needs is soon ready';
    checks.note(invariant);
    const { state } = life.node.readiness();
    if (state !== 'ready') report(invariant, `${life.name} is ${state}, and ${sources.map(({ name }) => name).join(', ')} could have given it everything`, life.name);
  }

  /**
   * No node may claim a secret again after its hash was reset. A process that saw its own claim at the head learns of the reset when it
   * sees the zero hash there. Other processes may not know yet, so their claims may still arrive for a while.
   */
  #checkClaim(hash: Hash32, sender: Wallet): void {
    const { checks, report, chain, timeline, lives } = this.#modules;
    const invariant = 'a hash that was reset is not claimed again';
    checks.note(invariant);
    const resetMs = chain.resetHashes.get(hash);
    if (resetMs === undefined || chain.headState.hash === hash) return;
    const knows = lives().some(({ instance, node }) => {
      const { life } = node.inside.secret;
      return instance.wallet === sender && life.stage === 'at_head' && life.secret.hash === hash;
    });
    if (knows || timeline.nowMs - resetMs >= CLAIM_ECHO_MS) report(invariant, `the hash ${hash.slice(0, 10)} is claimed again`);
  }

  #noteDerived(life: Life, { app_id: appId, path, key }: Record<string, unknown>): void {
    const bytes = Buffer.from(String(key), 'base64');
    this.#modules.onSecret(bytes);
    this.#derivations.note(life.name, life.node.inside.vault.servingHash() ?? 'none', `${String(appId)} ${String(path)}`, bytes, this.#modules.resets());
  }

  /** When a node reports n acknowledgements for a write, n other instances must have held that write. */
  #checkAcknowledged(life: Life, { key, app_id: appId, updated_at_ms: atMs }: Record<string, unknown>, acks: number): void {
    const { checks, report, hasLiars } = this.#modules;
    if (acks === 0 || hasLiars()) return;
    const invariant = 'a write acknowledged by n nodes is on n nodes';
    checks.note(invariant);
    let last: Write | null = null;
    for (const write of this.history.all()) {
      if (write.writer !== life || write.key !== key || write.appId !== String(appId)) continue;
      // The key may have several writes. The time in the answer identifies one of them. The answer to a delete has no time, so the last
      // tombstone is used.
      if (atMs === undefined ? write.record.tombstone : write.record.updated_at_ms === atMs) last = write;
    }
    if (last === null) return;
    const others = new Set([...last.holders.keys()].map(({ instance }) => instance).filter((instance) => instance !== life.instance));
    if (others.size < acks) report(invariant, `${life.name} reports ${acks} acknowledgements for ${String(key)}, but only ${others.size} other nodes have the write`, life.name);
  }

  /** Notes a view for the revocation rule. A view above the true head comes from a different chain and is ignored. */
  #onView(life: Life, block: number): void {
    if (!life.instance.everLied && block <= this.#modules.chain.head) this.#revocations.noteView(block);
  }

  #checkHandOver(life: Life, receiver: TeePubkey): void {
    const { checks, report, chain, config } = this.#modules;
    const invariant = 'nodes soon stop giving the secret to a node that is no longer a member';
    checks.note(invariant);
    const instance = [...chain.headState.instances.values()].find(({ teePubkey }) => teePubkey.toLowerCase() === receiver.toLowerCase());
    if (instance === undefined || life.instance.everLied) return;
    const absentMs = this.#revocations.absentForMs(instance.wallet);
    if (absentMs > CHAIN_MAX_AGE_MS + config.nodeTickMs) report(invariant, `${life.name} gave the secret to an instance ${Math.round(absentMs / 1_000)} s after a node had read that this instance is not a member`, life.name);
  }

  #onState(life: Life, state: string): void {
    this.#modules.note(`${life.name} is ${state}`);
    // A process that is still starting is not watched yet.
    if (state === 'ready' && this.#watched.has(life)) this.#checkFirstSnapshot(life);
  }

  /** A node that becomes ready with a complete first snapshot must have every record that all other nodes held when its node_tick began. */
  #checkFirstSnapshot(life: Life): void {
    const { checks, report, config, timeline, lives, hasLiars } = this.#modules;
    const { firstSnapshot } = life.node.readiness();
    const secretHash = life.node.inside.vault.servingHash();
    // This is checked once per secret, because later records arrive as deltas.
    if (this.#readyBy.get(life) === secretHash) return;
    this.#readyBy.set(life, secretHash);
    // This rule does not apply to a node that had no room for all records. The rules about absence still apply to that node.
    if (firstSnapshot !== 'complete' || hasLiars() || life.node.inside.store.refusedFull > 0) return;
    // This rule also does not apply to a node that claimed the hash but handed out the secret before it was sure, because other nodes may
    // have written records since then. The rules about absence still apply to that node too.
    const { secret, sureness } = life.node.inside;
    const standing = secret.standing();
    if (standing.kind === 'confirmed' && standing.store.claimedHere && !sureness.hasBecomeSure()) return;
    const beganMs = this.#watched.get(life)!.node.tickBeganMs;
    const others = lives().filter((other) => other !== life && other.node.readiness().firstSnapshot === 'complete' && isReadyFor(other, 0));
    if (!others.some((other) => isReadyFor(other, timeline.nowMs - beganMs))) return;
    const invariant = 'a complete first snapshot has every record that all other nodes held';
    checks.note(invariant);
    const nowMs = life.clock.nowMs();
    for (const { appId, key, record, holders, safe, secretHash: under, atMs } of this.history.all()) {
      if (!safe || under !== secretHash || atMs >= beganMs || nowMs >= goneFromMs(record, config.tombstoneRetentionMs)) continue;
      // The node needs only the writes that the others still hold. Another write may have been replaced by a record that was then forgotten.
      const isHeld = others.every((other) => {
        const held = other.node.inside.store.recordOf(appId, key);
        return holders.has(other) && held !== null && covers(held.version, record.version) && nowMs < goneFromMs(held, config.tombstoneRetentionMs);
      });
      if (!isHeld || this.storeOf(life).holds(appId, key, record.version)) continue;
      report(invariant, `${life.name} is ready and lacks ${key} of app ${appId}`, life.name);
    }
  }

  /** Schedules a check that a new write has reached the other nodes. */
  #expectPrompt(writer: Life, appId: string, record: WireRecord): void {
    const { timeline } = this.#modules;
    if (!this.#isWell(writer, CALM_MS)) return;
    const others = this.#modules.lives().filter((other) => other !== writer && this.#isWell(other, CALM_MS));
    if (others.length > 0) timeline.after(PROMPT_MS, null, () => this.#checkPrompt(writer, appId, record, others));
  }

  #checkPrompt(writer: Life, appId: string, { key, version }: WireRecord, others: readonly Life[]): void {
    const { checks, report } = this.#modules;
    const invariant = 'a write soon reaches all undisturbed nodes';
    if (!this.#isWell(writer, PROMPT_MS)) return;
    for (const other of others) {
      // A node that has run out of room may refuse the write.
      if (!this.#isWell(other, PROMPT_MS) || other.node.inside.store.refusedFull > 0) continue;
      checks.note(invariant);
      if (!this.storeOf(other).holds(appId, key, version)) {
        report(invariant, `${key} of app ${appId} is not on ${other.name} ${PROMPT_MS} ms after ${writer.name} wrote it`, other.name);
      }
    }
  }

  /** Whether a process is honest, has been undisturbed for `CALM_MS`, and has been ready for `forMs`. */
  #isWell(life: Life, forMs: number): boolean {
    return !life.instance.everLied && this.#modules.isCalm(life, CALM_MS) && isReadyFor(life, forMs);
  }

  /** The sender of a claim must soon notice that the claim is deep enough. */
  #expectNoticed(): void {
    const { chain, checks, report, lives, isCalm, timeline } = this.#modules;
    const invariant = 'the sender of a claim notices when the claim is deep enough';
    const { hash } = chain.deepState;
    if (timeline.nowMs - (chain.deepHashes.get(hash) ?? timeline.nowMs) < NOTICED_MS) return;
    for (const life of lives()) {
      const { vault, secret } = life.node.inside;
      if (!isCalm(life, NOTICED_MS)) continue;
      checks.note(invariant);
      if (secret.claimableHash() === hash && vault.servingHash() !== hash) report(invariant, `${life.name} has not noticed within ${NOTICED_MS} ms that its claim is deep enough`, life.name);
    }
  }
}

function isReadyFor(life: Life, forMs: number): boolean {
  const { state, sinceMs } = life.node.readiness();
  return state === 'ready' && life.clock.nowMs() - sinceMs >= forMs;
}
