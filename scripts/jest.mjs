/** Runs jest on the product's runtime, with ES modules. Arguments go to jest. */
import process from 'node:process';
import { ensureInstalled, run } from './runtime.mjs';

ensureInstalled();
process.exitCode = await run(
  ['--experimental-vm-modules', '--no-warnings=ExperimentalWarning', 'node_modules/jest/bin/jest.js', ...process.argv.slice(2)],
);
