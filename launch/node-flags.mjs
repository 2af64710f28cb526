/**
 * How Node runs a node: the same from a checkout, from the package and in the image, and nothing of it is left to whoever starts
 * it. docs/decisions/0024 has the figures.
 */

/** What old space must hold besides the store, whose values live in it. MiB. */
const BESIDE_STORE_MIB = 512;
/** As src/config/settings.ts has it. Bytes. */
const DEFAULT_MAX_STORE_BYTES = 512 * 1024 * 1024;
const BYTES_PER_MIB = 1024 * 1024;

/**
 * Options of Node for a node.
 * @param environment of the node: `MAX_STORE_BYTES` decides how much the heap may hold
 */
export function nodeFlags(environment) {
  const given = Number(environment.MAX_STORE_BYTES);
  // What is no size is the configuration's to refuse.
  const storeBytes = Number.isSafeInteger(given) && given > 0 ? given : DEFAULT_MAX_STORE_BYTES;
  return [
    // A node holds keys in its memory: nobody opens a debugger in it by SIGUSR1, which Node else answers with one.
    '--disable-sigusr1',
    // Short-lived objects of a request fit into a young generation of this size; the default lets it grow to 16 times as much.
    '--max-semi-space-size=1',
    // One helper thread of V8 is enough for two processors, and each has memory of its own.
    '--v8-pool-size=1',
    `--max-old-space-size=${Math.ceil(storeBytes / BYTES_PER_MIB) + BESIDE_STORE_MIB}`,
  ];
}

/**
 * Variables of the C library, which it reads before Node runs: one arena for all threads, and what is freed goes back to the
 * system. By default each thread keeps an arena, and a block that was freed raises the size from which blocks are given back.
 */
export const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '65536' };
