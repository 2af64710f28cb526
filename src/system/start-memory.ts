/**
 * Loading the modules and the first node_tick leave garbage and a grown young generation. An idle node allocates too little to cause the
 * collections that would return this memory to the system. So the node causes one itself, when it is ready for the first time.
 */

/** The pause grows with the heap. A node whose heap is larger has records that it needs; it keeps the memory. Bytes. */
const MAX_HEAP_BYTES = 64 * 1024 * 1024;

/** Returns memory to the system, about 9 MiB. Takes about a tenth of a second. Does nothing if Node runs without `--expose-gc`. */
export function releaseStartMemory(heapBytes: number): void {
  if (heapBytes > MAX_HEAP_BYTES) return;
  // `last-resort` also shrinks the young generation.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
