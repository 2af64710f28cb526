/** Vector clocks (protocol.md §4): counts by opaque text, kept as sent. A missing entry is 0. */

export type VectorClock = ReadonlyMap<string, number>;

export type ClockOrder = 'equal' | 'later' | 'earlier' | 'concurrent';

/** Entries that a local write keeps. */
const MAX_KEPT_ENTRIES = 64;

/** How `a` stands to `b`. */
export function compareClocks(a: VectorClock, b: VectorClock): ClockOrder {
  let ahead = false;
  let behind = false;
  for (const [key, count] of a) if (count > (b.get(key) ?? 0)) ahead = true;
  for (const [key, count] of b) if (count > (a.get(key) ?? 0)) behind = true;
  if (ahead && behind) return 'concurrent';
  return ahead ? 'later' : behind ? 'earlier' : 'equal';
}

/** The larger count of each entry. */
export function mergeClocks(a: VectorClock, b: VectorClock): VectorClock {
  const merged = new Map(a);
  for (const [key, count] of b) if (count > (merged.get(key) ?? 0)) merged.set(key, count);
  return merged;
}

/**
 * The clock of a local write: the held one with the own entry set. Of more than 64 entries the largest stay, ties by key;
 * the own entry always does, or the write would not be later than what it replaces.
 */
export function advanceClock(held: VectorClock | null, ownKey: string, ownCount: number): VectorClock {
  const advanced = new Map(held ?? []);
  advanced.set(ownKey, ownCount);
  if (advanced.size <= MAX_KEPT_ENTRIES) return advanced;
  const byCount = [...advanced]
    .filter(([key]) => key !== ownKey)
    .sort(([aKey, a], [bKey, b]) => b - a || (aKey < bKey ? -1 : 1));
  return new Map([...byCount.slice(0, MAX_KEPT_ENTRIES - 1), [ownKey, ownCount]]);
}
