/**
 * Holds a cluster against its rules: each process by itself, after each of its events, and what they owe each other. The code that
 * runs the simulation reports what happens.
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

/** Everything is held against everything so often. */
const FULL_CHECK_MS = 60_000;
/** How soon a write must be on the others while all is well. */
const PROMPT_MS = 3_000;
/** Backoffs of earlier failures are over, and every node has read the chain again. */
const CALM_MS = 150_000;
/** How soon a claim that is deep enough must be noticed while all is well. */
const NOTICED_MS = 10_000;
/** How soon a node must be ready while there is another that can give it all: some members may be silent. */
const READY_MS = 240_000;
/** Of a view up to which the secret is handed out (protocol.md §8, `CHAIN_MAX_AGE_SECONDS`). */
const CHAIN_MAX_AGE_MS = 120_000;
/** A claim that was on its way when the hash was reset comes no later. */
const CLAIM_ECHO_MS = 60_000;

export interface ClusterWatchModules {
  readonly timeline: Timeline;
  readonly chain: SimChain;
  readonly config: Config;
  readonly checks: Checks;
  readonly report: Report;
  /** All processes that run. */
  readonly lives: () => readonly Life[];
  /** Whether all that a process depends on has been in order for so long. Milliseconds. */
  readonly isCalm: (life: Life, forMs: number) => boolean;
  /** Whether some instance has ever lied. */
  readonly hasLiars: () => boolean;
  readonly isHonestWallet: (wallet: string) => boolean;
  /** Whether the instance of a wallet sends its answers without its signature now. */
  readonly isUnsigned: (wallet: string) => boolean;
  /** How often the owner has reset the hash. */
  readonly resets: () => number;
  /** Keys that the registry has ever known. */
  readonly registered: ReadonlySet<string>;
  readonly note: (text: string) => void;
  /** Bytes that nothing written may hold. */
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
  /** The secret by which each process was last ready. */
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
      { retentionMs: config.tombstoneRetentionMs, maxClockSkewMs: config.maxClockSkewMs },
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

  /** A process is about to have a text sealed to a key. */
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

  /** After an event. */
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

  /** Members that are silent or lie do not keep others unready for long. */
  #checkReady(life: Life): void {
    const { checks, report, chain, lives, isCalm, timeline } = this.#modules;
    const { deepState } = chain;
    const instance = deepState.instances.get(life.instance.wallet);
    const sinceMs = chain.deepHashes.get(deepState.hash);
    if (instance === undefined || !isMember(deepState, instance) || sinceMs === undefined || timeline.nowMs - sinceMs < READY_MS || !isCalm(life, READY_MS)) return;
    const sources = lives().filter((other) => other !== life && this.#isWell(other, READY_MS) && other.node.readiness().firstSnapshot === 'complete');
    if (sources.length === 0) return;
    const invariant = 'a node that can get all it needs is ready soon';
    checks.note(invariant);
    const { state } = life.node.readiness();
    if (state !== 'ready') report(invariant, `${life.name} is ${state}, and ${sources.map(({ name }) => name).join(', ')} could have given it all`, life.name);
  }

  /**
   * A secret that was reset is never claimed again. A process that has seen its own claim at the head knows of the reset by the zero there.
   * Another may not know yet, so its claim may be on its way for a while.
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
    if (knows || timeline.nowMs - resetMs >= CLAIM_ECHO_MS) report(invariant, `a claim of ${hash.slice(0, 10)}`);
  }

  #noteDerived(life: Life, { app_id: appId, path, key }: Record<string, unknown>): void {
    const bytes = Buffer.from(String(key), 'base64');
    this.#modules.onSecret(bytes);
    this.#derivations.note(life.name, life.node.inside.vault.servingHash() ?? 'none', `${String(appId)} ${String(path)}`, bytes, this.#modules.resets());
  }

  /** What a node says that n others have, n others have had. */
  #checkAcknowledged(life: Life, { key, app_id: appId, updated_at_ms: atMs }: Record<string, unknown>, acks: number): void {
    const { checks, report, hasLiars } = this.#modules;
    if (acks === 0 || hasLiars()) return;
    const invariant = 'acknowledged by n is on n';
    checks.note(invariant);
    let last: Write | null = null;
    for (const write of this.history.all()) {
      if (write.writer !== life || write.key !== key || write.appId !== String(appId)) continue;
      // The key may have been written again since; a delete does not say which of them it is.
      if (atMs === undefined ? write.record.tombstone : write.record.updated_at_ms === atMs) last = write;
    }
    if (last === null) return;
    const others = new Set([...last.holders.keys()].map(({ instance }) => instance).filter((instance) => instance !== life.instance));
    if (others.size < acks) report(invariant, `${life.name} says ${acks} for ${String(key)}, and ${others.size} have it`, life.name);
  }

  /** By the chain as it is: what a node with another chain in view has read counts for nothing. */
  #onView(life: Life, block: number): void {
    if (!life.instance.everLied && block <= this.#modules.chain.head) this.#revocations.noteView(block);
  }

  #checkHandOver(life: Life, receiver: TeePubkey): void {
    const { checks, report, chain, config } = this.#modules;
    const invariant = 'a node that is no longer a member soon gets the secret from no one';
    checks.note(invariant);
    const instance = [...chain.headState.instances.values()].find(({ teePubkey }) => teePubkey.toLowerCase() === receiver.toLowerCase());
    if (instance === undefined || life.instance.everLied) return;
    const absentMs = this.#revocations.absentForMs(instance.wallet);
    if (absentMs > CHAIN_MAX_AGE_MS + config.nodeTickMs) report(invariant, `${life.name} gave it ${Math.round(absentMs / 1_000)} s after another had read that it is none`, life.name);
  }

  #onState(life: Life, state: string): void {
    this.#modules.note(`${life.name} is ${state}`);
    // Its watch is not there yet while it starts.
    if (state === 'ready' && this.#watched.has(life)) this.#checkFirstSnapshot(life);
  }

  /** Who goes ready with a complete first snapshot lacks nothing that all the others held when it began to ask. */
  #checkFirstSnapshot(life: Life): void {
    const { checks, report, config, timeline, lives, hasLiars } = this.#modules;
    const { firstSnapshot } = life.node.readiness();
    const secretHash = life.node.inside.vault.servingHash();
    // Once for each secret: what comes later comes as deltas.
    if (this.#readyBy.get(life) === secretHash) return;
    this.#readyBy.set(life, secretHash);
    // Where there was no room for all of it, the rules of absence say what it may tell.
    if (firstSnapshot !== 'complete' || hasLiars() || life.node.inside.store.refusedFull > 0) return;
    // The same holds for one that had handed its secret out before it could go ready.
    const { secret, sureness } = life.node.inside;
    const standing = secret.standing();
    if (standing.kind === 'confirmed' && standing.store.claimedHere && !sureness.hasBecomeSure()) return;
    const beganMs = this.#watched.get(life)!.node.tickBeganMs;
    const others = lives().filter((other) => other !== life && other.node.readiness().firstSnapshot === 'complete' && isReadyFor(other, 0));
    if (!others.some((other) => isReadyFor(other, timeline.nowMs - beganMs))) return;
    const invariant = 'a complete first snapshot is complete';
    checks.note(invariant);
    const nowMs = life.clock.nowMs();
    for (const { appId, key, record, holders, safe, secretHash: under, atMs } of this.history.all()) {
      if (!safe || under !== secretHash || atMs >= beganMs || nowMs >= goneFromMs(record, config.tombstoneRetentionMs)) continue;
      // It may have been replaced by what is forgotten by now.
      const isHeld = others.every((other) => {
        const held = other.node.inside.store.recordOf(appId, key);
        return holders.has(other) && held !== null && covers(held.version, record.version) && nowMs < goneFromMs(held, config.tombstoneRetentionMs);
      });
      if (!isHeld || this.storeOf(life).holds(appId, key, record.version)) continue;
      report(invariant, `${life.name} is ready and lacks ${key} of app ${appId}`, life.name);
    }
  }

  /** Looks again a little later whether a new write has come to the others. */
  #expectPrompt(writer: Life, appId: string, record: WireRecord): void {
    const { timeline } = this.#modules;
    if (!this.#isWell(writer, CALM_MS)) return;
    const others = this.#modules.lives().filter((other) => other !== writer && this.#isWell(other, CALM_MS));
    if (others.length > 0) timeline.after(PROMPT_MS, null, () => this.#checkPrompt(writer, appId, record, others));
  }

  #checkPrompt(writer: Life, appId: string, { key, version }: WireRecord, others: readonly Life[]): void {
    const { checks, report } = this.#modules;
    const invariant = 'a write is soon on all that are well';
    if (!this.#isWell(writer, PROMPT_MS)) return;
    for (const other of others) {
      if (!this.#isWell(other, PROMPT_MS)) continue;
      checks.note(invariant);
      if (!this.storeOf(other).holds(appId, key, version)) {
        report(invariant, `${key} of app ${appId} is not on ${other.name} ${PROMPT_MS} ms after ${writer.name} wrote it`, other.name);
      }
    }
  }

  /** Honest, ready and undisturbed for so long. */
  #isWell(life: Life, forMs: number): boolean {
    return !life.instance.everLied && this.#modules.isCalm(life, CALM_MS) && isReadyFor(life, forMs);
  }

  /** A claim that is deep enough is soon noticed by its sender. */
  #expectNoticed(): void {
    const { chain, checks, report, lives, isCalm, timeline } = this.#modules;
    const invariant = 'a claim that is deep enough is noticed';
    const { hash } = chain.deepState;
    if (timeline.nowMs - (chain.deepHashes.get(hash) ?? timeline.nowMs) < NOTICED_MS) return;
    for (const life of lives()) {
      const { vault, secret } = life.node.inside;
      if (!isCalm(life, NOTICED_MS)) continue;
      checks.note(invariant);
      if (secret.claimableHash() === hash && vault.servingHash() !== hash) report(invariant, `${life.name} has waited ${NOTICED_MS} ms`, life.name);
    }
  }
}

function isReadyFor(life: Life, forMs: number): boolean {
  const { state, sinceMs } = life.node.readiness();
  return state === 'ready' && life.clock.nowMs() - sinceMs >= forMs;
}
