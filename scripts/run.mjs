/** `node scripts/run.mjs FILE [ARGUMENT..]`: runs a TypeScript file on the product's runtime. It does not install packages. */
import process from 'node:process';
import { requireInstalled } from '../launch/installed.mjs';
import { run } from './development.mjs';

requireInstalled({ development: true });
process.exit(await run(process.argv.slice(2)));
