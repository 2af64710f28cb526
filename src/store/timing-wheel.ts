/**
 * Yields timers in the order of their times, at a cost that does not grow with their number. Timers wait unsorted in slots of time. A slot
 * is sorted once, when its time has come and all earlier timers have been taken. Even after a long sleep, no call sorts more than one slot.
 * A timer that is cancelled while its slot is unsorted is removed immediately.
 */

/** Width of a slot. Milliseconds. */
const SLOT_MS = 256;
/** Cancelled timers of sorted slots are removed when there are more than this many and they outnumber the other timers there. */
const SWEEP_ABOVE = 1_024;

export interface Timer<What> {
  readonly atMs: number;
  readonly what: What;
}

interface Scheduled<What> extends Timer<What> {
  cancelled: boolean;
  /** Neighbours in an unsorted slot. */
  before: Scheduled<What> | null;
  next: Scheduled<What> | null;
}

function slotOf(atMs: number): number {
  return Math.floor(atMs / SLOT_MS);
}

export class TimingWheel<What> {
  /** The first timer of each unsorted slot. */
  readonly #slots = new Map<number, Scheduled<What>>();
  /** Unsorted slots whose time has come, the earliest last. */
  #come: number[] = [];
  /** The timers of sorted slots, the earliest last. */
  #near: Scheduled<What>[] = [];
  /** How many of `#near` are cancelled. */
  #nearCancelled = 0;
  #reached = -Infinity;

  /** @param atMs a finite time */
  schedule(what: What, atMs: number): Timer<What> {
    const scheduled: Scheduled<What> = { atMs, what, cancelled: false, before: null, next: null };
    const slot = slotOf(atMs);
    if (slot <= this.#reached) {
      this.#insertNear(scheduled);
      return scheduled;
    }
    scheduled.next = this.#slots.get(slot) ?? null;
    if (scheduled.next !== null) scheduled.next.before = scheduled;
    this.#slots.set(slot, scheduled);
    return scheduled;
  }

  cancel(timer: Timer<What>): void {
    const scheduled = timer as Scheduled<What>;
    if (scheduled.cancelled) return;
    scheduled.cancelled = true;
    if (this.#unlink(scheduled)) return;
    // Removes cancelled timers when there are many. If the clock has been set back, they would otherwise stay for a long time.
    this.#nearCancelled += 1;
    if (this.#nearCancelled <= Math.max(SWEEP_ABOVE, this.#near.length / 2)) return;
    this.#near = this.#near.filter(({ cancelled }) => !cancelled);
    this.#nearCancelled = 0;
  }

  /** Removes and returns the next timer whose time has come; null if there is none. */
  takeDue(nowMs: number): Timer<What> | null {
    for (;;) {
      if (this.#come.length === 0) this.#reach(slotOf(nowMs));
      this.#sortOut();
      const next = this.#near.at(-1);
      // The slots reached so far contain no more timers. Later slots are due by now, so the loop continues with them.
      if (next === undefined && this.#reached < slotOf(nowMs)) continue;
      if (next === undefined || (!next.cancelled && next.atMs > nowMs)) return null;
      this.#near.pop();
      if (!next.cancelled) return next;
      this.#nearCancelled -= 1;
    }
  }

  /** The items of due timers that have not been taken yet, in no particular order. Changes nothing. */
  *due(nowMs: number): Generator<What> {
    for (let at = this.#near.length - 1; at >= 0; at -= 1) {
      const { atMs, what, cancelled } = this.#near[at]!;
      if (atMs > nowMs) break;
      if (!cancelled) yield what;
    }
    for (const slot of [...this.#come, ...this.#slotsUpTo(slotOf(nowMs))]) {
      for (let there = this.#slots.get(slot) ?? null; there !== null; there = there.next) if (there.atMs <= nowMs) yield there.what;
    }
  }

  #reach(slot: number): void {
    if (slot <= this.#reached) return;
    this.#come = this.#slotsUpTo(slot);
    this.#reached = slot;
  }

  /**
   * The slots after the last reached slot, up to and including `slot`, that hold a timer. The earliest slot comes last. Checks either every
   * slot number in that range or every slot that holds a timer, whichever are fewer.
   */
  #slotsUpTo(slot: number): number[] {
    if (slot - this.#reached > this.#slots.size) {
      return [...this.#slots.keys()].filter((there) => there > this.#reached && there <= slot).sort((a, b) => b - a);
    }
    const there: number[] = [];
    for (let at = slot; at > this.#reached; at -= 1) if (this.#slots.has(at)) there.push(at);
    return there;
  }

  /** Sorts the next slot whose time has come, unless an earlier timer must be taken first. */
  #sortOut(): void {
    for (;;) {
      const slot = this.#come.at(-1);
      const next = this.#near.at(-1);
      if (slot === undefined || (next !== undefined && slotOf(next.atMs) < slot)) return;
      this.#come.pop();
      const sorted = this.#emptySlot(slot).sort((a, b) => b.atMs - a.atMs);
      if (next === undefined || slotOf(next.atMs) > slot) for (const scheduled of sorted) this.#near.push(scheduled);
      else for (const scheduled of sorted) this.#insertNear(scheduled);
    }
  }

  #emptySlot(slot: number): Scheduled<What>[] {
    const all: Scheduled<What>[] = [];
    let scheduled = this.#slots.get(slot) ?? null;
    this.#slots.delete(slot);
    while (scheduled !== null) {
      const { next }: Scheduled<What> = scheduled;
      scheduled.before = null;
      scheduled.next = null;
      all.push(scheduled);
      scheduled = next;
    }
    // A slot lists its newest timer first. Reversed, the timers are in the order in which they were scheduled.
    return all.reverse();
  }

  /** @returns whether the timer was in an unsorted slot */
  #unlink(scheduled: Scheduled<What>): boolean {
    const { before, next } = scheduled;
    const slot = slotOf(scheduled.atMs);
    if (before === null && this.#slots.get(slot) !== scheduled) return false;
    if (before !== null) before.next = next;
    else if (next === null) this.#slots.delete(slot);
    else this.#slots.set(slot, next);
    if (next !== null) next.before = before;
    scheduled.before = null;
    scheduled.next = null;
    return true;
  }

  #insertNear(scheduled: Scheduled<What>): void {
    let low = 0;
    let high = this.#near.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#near[middle]!.atMs > scheduled.atMs) low = middle + 1;
      else high = middle;
    }
    this.#near.splice(low, 0, scheduled);
  }
}
