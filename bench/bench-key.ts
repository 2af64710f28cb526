/** The key of a benchmark's record with this index. Sorted keys are in the order of their indexes. @param index below a million */
export function benchKey(index: number): string {
  return `record-${String(index).padStart(6, '0')}`;
}
