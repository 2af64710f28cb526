/**
 * How a stale node catches up with the other members (protocol.md §4, Ages). Until a complete snapshot has arrived, it notes the key of
 * each record that a peer sends. Then it drops the records whose keys no peer has sent. But it keeps its own writes that it made while it
 * was cut off or that no member has received, because no other node can have deleted them. If all members are stale, no node drops
 * anything, because losing a write is worse than bringing back a deleted record.
 */
import type { Log } from '../domain/ports.ts';
import type { WireRecord } from '../domain/records.ts';
import type { Staleness } from './staleness.ts';
import { keyIdOf } from '../crypto/key-id.ts';
import { createPacer, type PacerModules } from './pacer.ts';
import type { SyncStore } from './ports.ts';

export interface ResyncModules extends PacerModules {
  readonly log: Log;
  readonly staleness: Staleness;
  readonly store: Pick<SyncStore, 'walk' | 'digestOf' | 'isUnseen' | 'forget' | 'forgetOverdue'>;
  /** Called when the resync ends. Writes that were held back may now be sent. */
  readonly onResynced: () => void;
}

interface Running {
  readonly beganAtMs: number;
  /** The keys (`keyIdOf`) that peers have sent since the resync began. */
  readonly named: Set<string>;
}

export class Resync {
  readonly #modules: ResyncModules;
  #running: Running | null = null;

  constructor(modules: ResyncModules) {
    this.#modules = modules;
  }

  /** When the running resync began; null while none is running. Monotonic milliseconds. */
  get beganAtMs(): number | null {
    return this.#running?.beganAtMs ?? null;
  }

  /** Begins a resync if this node is stale. A resync that is already running continues. */
  begin(): void {
    if (this.#modules.staleness.isStale()) this.#running ??= { beganAtMs: this.#modules.clock.monotonicMs(), named: new Set() };
  }

  /** Called with each record that a peer sent, even if this node did not merge it, because the peer has the record in either case. */
  note(appId: string, wire: unknown): void {
    // A peer may send records before node_tick asks for a snapshot. In that case, the resync begins here.
    this.begin();
    const key = (wire as Partial<WireRecord> | null)?.key;
    // Only keys that this node holds can be dropped, so only these are noted. Otherwise, a peer could fill the memory with invented keys.
    if (typeof key === 'string' && this.#running !== null && this.#modules.store.digestOf(appId, key) !== null) this.#running.named.add(keyIdOf(appId, key));
  }

  /**
   * Called when a member that is not stale has sent a complete snapshot. If a resync is running, the first page of that snapshot must
   * have been requested after the resync began.
   */
  async complete(): Promise<void> {
    const { staleness, store, log } = this.#modules;
    if (this.#running === null) {
      staleness.noteInStep();
      return;
    }
    const { named } = this.#running;
    const seenUpTo = staleness.seenUpTo();
    const pause = createPacer(this.#modules);
    let dropped = 0;
    for (const { appId, record } of store.walk({})) {
      await pause();
      if (named.has(keyIdOf(appId, record.key)) || store.isUnseen(appId, record.key, seenUpTo)) continue;
      store.forget(appId, record.key);
      dropped += 1;
    }
    log.warn('this node was cut off for longer than tombstones are kept; records that the other members no longer hold were dropped', { dropped });
    this.#end();
  }

  /** Called when every member has answered and all of them are stale. Drops nothing. */
  giveUp(): void {
    if (this.#running !== null) this.#end();
  }

  #end(): void {
    this.#running = null;
    this.#modules.staleness.resolve();
    this.#modules.store.forgetOverdue();
    this.#modules.onResynced();
  }
}
