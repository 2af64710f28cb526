/**
 * The options with which Node runs a node. They are the same from a checkout, from the package and in the image, so operators do not need
 * to set any options. docs/decisions/0024 has the measurements.
 */

/** The part of the heap (old space) that is not for the store. `nodeFlags` adds the store, which is in the same heap. MiB. */
const BESIDE_STORE_MIB = 512;
/** The default of `MAX_STORE_BYTES` in src/config/settings.ts. Bytes. */
const DEFAULT_MAX_STORE_BYTES = 512 * 1024 * 1024;
const BYTES_PER_MIB = 1024 * 1024;

/**
 * Returns the options with which Node must run a node.
 * @param environment the node's environment: `MAX_STORE_BYTES` decides the size of the heap
 */
export function nodeFlags(environment) {
  const given = Number(environment.MAX_STORE_BYTES);
  // If the size is invalid, the configuration refuses it later.
  const storeBytes = Number.isSafeInteger(given) && given > 0 ? given : DEFAULT_MAX_STORE_BYTES;
  return [
    // A node holds keys in its memory. By default, Node opens a debugger on SIGUSR1, which would expose these keys.
    '--disable-sigusr1',
    // Maximum size of each half of the young generation, in MiB; 16 by default. With less, more objects of a request outlive two
    // collections, and collecting them takes more processor time. With more, a node takes more memory, but no less processor time.
    '--max-semi-space-size=8',
    // Lets a node return unneeded memory to the system after its start (src/system/start-memory.ts).
    '--expose-gc',
    // One helper thread of V8 is enough for two processors. Each thread costs memory.
    '--v8-pool-size=1',
    `--max-old-space-size=${Math.ceil(storeBytes / BYTES_PER_MIB) + BESIDE_STORE_MIB}`,
  ];
}

/**
 * Variables that the C library reads before Node runs. With them, all threads share one arena, and freed memory returns to the system. By
 * default, each thread keeps its own arena, and each freed block raises the minimum size of the blocks that are returned.
 */
export const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '65536' };
