/** Follows one sync_tick to its end, for the watcher of a node: until every lane that it woke has come to rest. */
/** Hears that a sync_tick begins, and gives who hears how it ended. */
export type WatchSyncTick = (nudged: boolean) => (outcome: string) => void;

/** Only told from others: a wallet may have two of them, when its member has moved. */
type Lane = object;

export class TickCourse {
  /** Of the ready state that the tick came in. */
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

  /** This lane works for the tick. */
  add(lane: Lane): void {
    this.#open.add(lane);
    this.#woken += 1;
  }

  /** All lanes are woken that will be. */
  begin(): void {
    this.#isBegun = true;
    this.#look();
  }

  /** A lane has come to rest. */
  rested(lane: Lane, failed: boolean): void {
    if (!this.#open.delete(lane)) return;
    if (failed) this.#failed += 1;
    this.#look();
  }

  /** The node is not ready any more. */
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
