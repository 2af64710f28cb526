/**
 * `npm test`: installs when needed, then every check there is, one after another, each with its time. Ends with the first
 * that fails. Arguments name the checks to run: `npm test -- unit e2e`.
 */
import process from 'node:process';
import { ensureInstalled, run } from './development.mjs';

const jest = (...projects) => [
  '--experimental-vm-modules',
  '--no-warnings=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
  '--selectProjects',
  ...projects,
];

const CHECKS = {
  types: ['node_modules/@typescript/native/bin/tsc', '-p', 'tsconfig.json'],
  'page-types': ['node_modules/@typescript/native/bin/tsc', '-p', 'src/visualizer/page'],
  lint: ['node_modules/eslint/bin/eslint.js', '.'],
  imports: ['node_modules/dependency-cruiser/bin/dependency-cruiser.mjs', '--config', '.dependency-cruiser.mjs', 'src'],
  unit: jest('unit'),
  vectors: jest('vectors'),
  machine: jest('machine'),
  // Whole clusters on a virtual clock: stories, and seeds that never change.
  simulation: jest('simulation'),
  // Random input, different in each run; a failure prints its seed.
  fuzz: ['scripts/fuzz.ts', '--seconds', '20'],
  // The visualiser's page in a real browser.
  browser: [...jest('browser'), '--maxWorkers=1'],
  // Clusters of processes, which wait for blocks most of the time.
  e2e: [...jest('e2e'), '--maxWorkers=2'],
};

const seconds = (sinceMs) => ((performance.now() - sinceMs) / 1000).toFixed(1);

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(CHECKS, name));
if (unknown !== undefined) {
  process.stderr.write(`There is no check ${unknown}: the checks are ${Object.keys(CHECKS).join(', ')}.\n`);
  process.exit(2);
}

ensureInstalled();
const startedMs = performance.now();
for (const name of Object.keys(CHECKS).filter((check) => wanted.length === 0 || wanted.includes(check))) {
  const checkStartedMs = performance.now();
  process.stdout.write(`\n== ${name}\n`);
  const code = await run(CHECKS[name]);
  process.stdout.write(`== ${name}: ${code === 0 ? 'passed' : `failed (code ${code})`} in ${seconds(checkStartedMs)} s\n`);
  if (code !== 0) process.exit(code);
}
process.stdout.write(`\nAll checks passed in ${seconds(startedMs)} s.\n`);
