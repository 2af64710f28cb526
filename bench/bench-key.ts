/** The key of a benchmark's record. Keys sort by index. @param index below a million */
export function benchKey(index: number): string {
  return `record-${String(index).padStart(6, '0')}`;
}
