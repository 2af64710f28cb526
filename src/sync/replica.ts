/**
 * One peer as a replica of this node's store: which of this node's own writes it has (`progress.ts`), when the next push may follow a
 * failed one (`rest.ts`), and what this node remembers for anti-entropy (`anti-entropy-state.ts`). If the store_id or the teePubkey of a
 * peer changes, this node pushes all its own writes to the peer again.
 */
import type { BackoffLimits } from '../domain/backoff.ts';
import type { ReplicationFigures } from '../domain/figures.ts';
import type { TeePubkey, Wallet } from '../domain/ids.ts';
import type { Member } from '../domain/membership.ts';
import type { Clock, Random } from '../domain/ports.ts';
import { AntiEntropyState } from './anti-entropy-state.ts';
import type { SyncStore } from './ports.ts';
import { Progress } from './progress.ts';
import { Rest } from './rest.ts';

/** The pause after a failed push to a peer. */
const BACKOFF: BackoffLimits = { firstMs: 500, lastMs: 60_000 };

export interface ReplicaModules {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly random: Pick<Random, 'unit'>;
  readonly store: Pick<SyncStore, 'writes'>;
}

export class Replica {
  readonly wallet: Wallet;
  readonly teePubkey: TeePubkey | '';
  readonly progress: Progress;
  readonly antiEntropy: AntiEntropyState;
  readonly #clock: ReplicaModules['clock'];
  readonly #rest: Rest;
  #storeId: string | null = null;
  #clockLeadMs: number | null = null;
  #lastSuccessMs: number | null = null;
  /** Number of the peer's records that this node rejected, by reason. This node defines the reasons, so there are only a few. */
  readonly #leftOut = new Map<string, number>();
  #lastError: { readonly what: string; readonly atMs: number } | null = null;

  constructor(member: Member, modules: ReplicaModules) {
    this.wallet = member.wallet;
    this.teePubkey = member.teePubkey;
    this.progress = new Progress(modules);
    this.antiEntropy = new AntiEntropyState(modules);
    this.#clock = modules.clock;
    this.#rest = new Rest(BACKOFF, modules);
  }

  get isResting(): boolean {
    return !this.#rest.isOver;
  }

  /** Notes the store_id that the peer sent. If it has changed, the peer has a new store and must get all of this node's writes again. */
  noteStoreId(storeId: string): void {
    if (this.#storeId !== null && this.#storeId !== storeId) this.reset();
    this.#storeId = storeId;
  }

  /** Call this when the peer has lost its store, or when this node's store was emptied. Pushes and anti-entropy then start from the beginning. */
  reset(): void {
    this.progress.reset();
    this.antiEntropy.reset();
  }

  /** @param leadMs how far the peer's clock is ahead of this node's clock; null: unknown */
  noteClock(leadMs: number | null): void {
    this.#clockLeadMs = leadMs;
  }

  noteSuccess(): void {
    this.#rest.noteSuccess();
    this.#lastSuccessMs = this.#clock.nowMs();
    this.#lastError = null;
  }

  /** @param retryAfterMs how long the peer asked this node to wait */
  noteFailure(what: string, retryAfterMs: number | undefined): void {
    this.#rest.noteFailure(retryAfterMs);
    this.#lastError = { what, atMs: this.#clock.nowMs() };
  }

  /**
   * Counts the peer's records that this node could not merge. This is not a fault of the peer, which may have got them from another node.
   */
  noteLeftOut(leftOut: Readonly<Record<string, number>>): void {
    for (const [reason, count] of Object.entries(leftOut)) this.#leftOut.set(reason, (this.#leftOut.get(reason) ?? 0) + count);
  }

  /** Call this when the peer has sent this node a message. It ends the wait before the next push. */
  noteAlive(): void {
    this.#rest.end();
  }

  view(): ReplicationFigures {
    const { progress } = this;
    const { leftMs } = this.#rest;
    return {
      wallet: this.wallet,
      acknowledgedUpTo: progress.acknowledgedUpTo,
      behindRecords: progress.behind.records + progress.retries.size,
      behindBytes: progress.behind.bytes,
      lastSuccessMs: this.#lastSuccessMs,
      lastError: this.#lastError?.what ?? null,
      lastErrorMs: this.#lastError?.atMs ?? null,
      clockLeadMs: this.#clockLeadMs,
      nextTryMs: leftMs > 0 ? this.#clock.nowMs() + Math.round(leftMs) : null,
      waitingRetries: progress.retries.size,
      refused: progress.refused,
      leftOut: Object.fromEntries(this.#leftOut),
    };
  }

  /** Must be called when the peer is forgotten. */
  close(): void {
    this.progress.close();
  }
}
