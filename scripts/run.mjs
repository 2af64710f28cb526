/** `node scripts/run.mjs FILE [ARGUMENT..]`: installs when needed, then runs a TypeScript file on the product's runtime. */
import process from 'node:process';
import { ensureInstalled, run } from './runtime.mjs';

ensureInstalled();
process.exitCode = await run(process.argv.slice(2));
