/**
 * The start (loading the modules, then the first node_tick) leaves garbage and a large young generation. An idle node allocates too little
 * to cause the collections that would return this memory to the system. So the node causes a collection itself, when it is ready for the
 * first time.
 */

/** The pause during a collection grows with the heap. A larger heap holds needed records, so it is not collected here. Bytes. */
const MAX_HEAP_BYTES = 64 * 1024 * 1024;

/** Returns about 9 MiB of memory to the system. Takes about a tenth of a second. Does nothing if Node runs without `--expose-gc`. */
export function releaseStartMemory(heapBytes: number): void {
  if (heapBytes > MAX_HEAP_BYTES) return;
  // `last-resort` also shrinks the young generation.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
