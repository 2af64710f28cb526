/**
 * Vector clocks (protocol.md §4): a count for each key. Keys are opaque strings, and are kept as sent. The count of a missing key is 0, and
 * an entry with a count of 0 is dropped.
 *
 * Clocks are compared at their full length, and cut before they are stored (§10, Bounds). Without the cut, other nodes could make a record
 * grow without limit.
 */

/** Maximum number of entries of a held clock. */
export const MAX_HELD_CLOCK_ENTRIES = 64;

declare const packedClock: unique symbol;
/** Keys in ascending order, each followed by its count, in one array. This takes less than half the memory of a Map. */
export type VectorClock = readonly (string | number)[] & { readonly [packedClock]: true };

export type ClockEntry = readonly [key: string, count: number];
export type ClockOrder = 'equal' | 'later' | 'earlier' | 'concurrent';

export const EMPTY_CLOCK = [] as unknown as VectorClock;

/** @param entries each key occurs at most once */
export function clockOf(entries: readonly ClockEntry[]): VectorClock {
  const counted = entries.filter(([, count]) => count > 0);
  if (counted.length > 1) counted.sort(([a], [b]) => compareKeys(a, b));
  return packed(counted);
}

export function clockEntries(clock: VectorClock): ClockEntry[] {
  const entries: ClockEntry[] = [];
  for (let at = 0; at < clock.length; at += 2) entries.push([keyAt(clock, at), countAt(clock, at)]);
  return entries;
}

export function countOf(clock: VectorClock, key: string): number {
  for (let at = 0; at < clock.length; at += 2) if (clock[at] === key) return countAt(clock, at);
  return 0;
}

/** The largest count in the clock; 0 if the clock is empty. */
export function largestCount(clock: VectorClock): number {
  let largest = 0;
  for (let at = 0; at < clock.length; at += 2) largest = Math.max(largest, countAt(clock, at));
  return largest;
}

/** The order of `a` relative to `b`. */
export function compareClocks(a: VectorClock, b: VectorClock): ClockOrder {
  let ahead = false;
  let behind = false;
  for (const { left, right } of joined(a, b)) {
    ahead ||= left > right;
    behind ||= left < right;
  }
  if (ahead && behind) return 'concurrent';
  return ahead ? 'later' : behind ? 'earlier' : 'equal';
}

/** A clock with the larger count for each key. */
export function mergeClocks(a: VectorClock, b: VectorClock): VectorClock {
  return packed(joined(a, b).map(({ key, left, right }) => [key, Math.max(left, right)] as const));
}

/** A copy of the clock with one count set. The copy is not cut. */
export function withCount(clock: VectorClock, key: string, count: number): VectorClock {
  return clockOf([...clockEntries(clock).filter(([other]) => other !== key), [key, count]]);
}

/**
 * The clock in the form in which it is stored. Entries whose clock key has no `/` are from older nodes. If such an entry were cut, the
 * older node would count from 1 again and could lose a write. So these entries are cut last. Apart from that, the smallest count is cut
 * first, and among equal counts the smallest key.
 * @param staying this node's key in a local write; it is not cut, because otherwise the write would not be later than the record it replaces
 */
export function cutClock(clock: VectorClock, staying?: string): VectorClock {
  if (clock.length <= 2 * MAX_HELD_CLOCK_ENTRIES) return clock;
  const rank = ([key]: ClockEntry): number => (key === staying ? 2 : key.includes('/') ? 0 : 1);
  const firstCutFirst = clockEntries(clock).sort((a, b) => rank(a) - rank(b) || a[1] - b[1] || compareKeys(a[0], b[0]));
  return clockOf(firstCutFirst.slice(-MAX_HELD_CLOCK_ENTRIES));
}

interface Joined {
  readonly key: string;
  readonly left: number;
  readonly right: number;
}

/** For each key that occurs in either clock, its counts in both clocks. */
function joined(a: VectorClock, b: VectorClock): Joined[] {
  const all: Joined[] = [];
  let left = 0;
  let right = 0;
  while (left < a.length || right < b.length) {
    const order = left >= a.length ? 1 : right >= b.length ? -1 : compareKeys(keyAt(a, left), keyAt(b, right));
    all.push({
      key: order <= 0 ? keyAt(a, left) : keyAt(b, right),
      left: order <= 0 ? countAt(a, left) : 0,
      right: order >= 0 ? countAt(b, right) : 0,
    });
    if (order <= 0) left += 2;
    if (order >= 0) right += 2;
  }
  return all;
}

/** Allocates exactly the length needed. An array that grew by `push` would have spare room. */
function packed(entries: readonly ClockEntry[]): VectorClock {
  const clock = new Array<string | number>(2 * entries.length);
  for (const [at, [key, count]] of entries.entries()) {
    clock[2 * at] = key;
    clock[2 * at + 1] = count;
  }
  return clock as unknown as VectorClock;
}

function keyAt(clock: VectorClock, at: number): string {
  return clock[at] as string;
}

function countAt(clock: VectorClock, at: number): number {
  return clock[at + 1] as number;
}

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
