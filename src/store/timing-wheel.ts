/**
 * What is due when, at a cost that does not grow with the number of timers: they lie unsorted in slots of time, and
 * a slot is sorted once, when its time has come and all before it has been taken: after a long sleep, too, no call sorts
 * more than one slot. Cancelling one of a slot leaves nothing behind.
 */

/** Width of a slot. Milliseconds. */
const SLOT_MS = 256;
/** Cancelled ones of slots that were sorted are swept out when they are more than this and more than half. */
const SWEEP_ABOVE = 1_024;

export interface Timer<What> {
  readonly atMs: number;
  readonly what: What;
}

interface Scheduled<What> extends Timer<What> {
  cancelled: boolean;
}

function slotOf(atMs: number): number {
  return Math.floor(atMs / SLOT_MS);
}

export class TimingWheel<What> {
  readonly #slots = new Map<number, Set<Scheduled<What>>>();
  /** Slots that were reached and are still unsorted; the earliest last. */
  #come: number[] = [];
  /** Of slots that were sorted; the earliest last. */
  #near: Scheduled<What>[] = [];
  /** Of them, cancelled. */
  #nearCancelled = 0;
  #reached = -Infinity;

  /** @param atMs finite */
  schedule(what: What, atMs: number): Timer<What> {
    const scheduled: Scheduled<What> = { atMs, what, cancelled: false };
    const slot = slotOf(atMs);
    if (slot <= this.#reached) {
      this.#insertNear(scheduled);
    } else {
      const there = this.#slots.get(slot);
      if (there === undefined) this.#slots.set(slot, new Set([scheduled]));
      else there.add(scheduled);
    }
    return scheduled;
  }

  cancel(timer: Timer<What>): void {
    const scheduled = timer as Scheduled<What>;
    if (scheduled.cancelled) return;
    scheduled.cancelled = true;
    const slot = slotOf(scheduled.atMs);
    const there = this.#slots.get(slot);
    if (there?.delete(scheduled) === true) {
      if (there.size === 0) this.#slots.delete(slot);
      return;
    }
    // Where the clock was set back, those of slots that it had reached would stay for as long.
    this.#nearCancelled += 1;
    if (this.#nearCancelled <= Math.max(SWEEP_ABOVE, this.#near.length / 2)) return;
    this.#near = this.#near.filter(({ cancelled }) => !cancelled);
    this.#nearCancelled = 0;
  }

  /** The next timer whose time has come, or null. */
  takeDue(nowMs: number): Timer<What> | null {
    for (;;) {
      if (this.#come.length === 0) this.#reach(slotOf(nowMs));
      this.#sortOut();
      const next = this.#near.at(-1);
      // All that had come was cancelled, and time has gone on meanwhile.
      if (next === undefined && this.#reached < slotOf(nowMs)) continue;
      if (next === undefined || (!next.cancelled && next.atMs > nowMs)) return null;
      this.#near.pop();
      if (!next.cancelled) return next;
      this.#nearCancelled -= 1;
    }
  }

  /** Each slot is looked at once, or all that hold a timer when time has leapt over more than that. */
  #reach(slot: number): void {
    if (slot <= this.#reached) return;
    if (slot - this.#reached > this.#slots.size) {
      this.#come = [...this.#slots.keys()].filter((there) => there <= slot).sort((a, b) => b - a);
    } else {
      for (let there = slot; there > this.#reached; there -= 1) if (this.#slots.has(there)) this.#come.push(there);
    }
    this.#reached = slot;
  }

  /** Sorts the next slot that has come, unless something earlier is still to be taken. */
  #sortOut(): void {
    for (;;) {
      const slot = this.#come.at(-1);
      const next = this.#near.at(-1);
      if (slot === undefined || (next !== undefined && slotOf(next.atMs) < slot)) return;
      this.#come.pop();
      const there = this.#slots.get(slot);
      if (there === undefined) continue;
      this.#slots.delete(slot);
      const sorted = [...there].sort((a, b) => b.atMs - a.atMs);
      if (next === undefined || slotOf(next.atMs) > slot) for (const scheduled of sorted) this.#near.push(scheduled);
      else for (const scheduled of sorted) this.#insertNear(scheduled);
    }
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
