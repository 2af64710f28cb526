/** Vector clocks (protocol.md §4): counts by opaque text, kept as sent. A missing entry is 0. */

export type VectorClock = ReadonlyMap<string, number>;

export type ClockOrder = 'equal' | 'later' | 'earlier' | 'concurrent';

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
  for (const [key, count] of b) if (count > (merged.get(key) ?? -1)) merged.set(key, count);
  return merged;
}
