/**
 * Loaded into a node process by `NODE_OPTIONS=--import`: the size of its heap, on standard error, once a second.
 * Read by `memory-soak.ts`.
 */
import process from 'node:process';

const SAY_EVERY_MS = 1_000;

setInterval(() => {
  const { heapUsed, external, rss } = process.memoryUsage();
  process.stderr.write(`${JSON.stringify({ probe: 'memory', heap: heapUsed + external, rss })}\n`);
}, SAY_EVERY_MS).unref();
