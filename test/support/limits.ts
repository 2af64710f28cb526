/**
 * The time after which a test gives up waiting for a condition. It does not measure speed: it is long enough for a machine with many times
 * the usual load. Speed is measured in `bench/`. In milliseconds.
 */
export const WAIT_TIMEOUT_MS = 120_000;
