/**
 * Prints the heap size of a node process on standard error once a second. `NODE_OPTIONS=--import` loads this file, and `memory-soak.ts`
 * reads the lines.
 */
import process from 'node:process';

const SAY_EVERY_MS = 1_000;

setInterval(() => {
  const { heapUsed, external, rss } = process.memoryUsage();
  process.stderr.write(`${JSON.stringify({ probe: 'memory', heap: heapUsed + external, rss })}\n`);
}, SAY_EVERY_MS).unref();
