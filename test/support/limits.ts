/**
 * How long a test waits for what must come before it gives up. It is not a measure of speed: it holds on a machine with many times
 * the usual load. Figures of speed belong to `bench/`. Milliseconds.
 */
export const WAIT_TIMEOUT_MS = 120_000;
