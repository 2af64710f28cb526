/** Follows one sync_tick for a watcher of the node, until every lane that the tick woke has finished its work or has failed. */
/** Called when a sync_tick begins. Returns the function that is called with the tick's outcome. */
export type WatchSyncTick = (nudged: boolean) => (outcome: string) => void;

/** Lanes are compared as objects, not by wallet, because a wallet has two lanes for a while after its URL or key has changed. */
type Lane = object;

export class TickCourse {
  /** Aborts when the node stops being ready. */
  readonly signal: AbortSignal;
  readonly #end: (outcome: string) => void;
  readonly #open = new Set<Lane>();
  #woken = 0;
  #failed = 0;
  #isBegun = false;
  #isOver = false;

  constructor(signal: AbortSignal, end: (outcome: string) => void) {
    this.signal = signal;
    this.#end = end;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Call this after the tick has woken a lane, if the lane is now working. */
  add(lane: Lane): void {
    this.#open.add(lane);
    this.#woken += 1;
  }

  /** Call this when the tick has woken all lanes. */
  begin(): void {
    this.#isBegun = true;
    this.#look();
  }

  /** Call this when a lane has finished its work or has failed. */
  rested(lane: Lane, failed: boolean): void {
    if (!this.#open.delete(lane)) return;
    if (failed) this.#failed += 1;
    this.#look();
  }

  /** Call this when the node has stopped being ready. */
  abort(): void {
    this.#finish('aborted');
  }

  #look(): void {
    if (!this.#isBegun || this.#open.size > 0) return;
    if (this.#woken === 0) this.#finish('nothing to do');
    else this.#finish(this.#failed === 0 ? 'ok' : `${this.#failed} of ${this.#woken} peers failed`);
  }

  #finish(outcome: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(outcome);
  }
}
