/**
 * `npm test`: installs packages if needed, then runs all checks in two parallel lanes and prints how long each check took. The output of
 * a check appears when the check has ended. The first failure ends the run. Arguments select the checks to run: `npm test -- unit e2e`. A
 * single check prints its output directly.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, run } from './development.mjs';

const jest = (project, ...options) => [
  '--experimental-vm-modules',
  '--no-warnings=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
  '--selectProjects',
  project,
  ...options,
];

/** The checks of a lane run one after another, in this order. */
const LANES = [
  // These checks keep a processor busy all the time.
  {
    types: ['node_modules/@typescript/native/bin/tsc', '-p', 'tsconfig.json'],
    'page-types': ['node_modules/@typescript/native/bin/tsc', '-p', 'src/visualizer/page'],
    lint: ['node_modules/eslint/bin/eslint.js', '.'],
    imports: ['node_modules/dependency-cruiser/bin/dependency-cruiser.mjs', '--config', '.dependency-cruiser.mjs', 'src'],
    unit: jest('unit'),
    vectors: jest('vectors'),
    machine: jest('machine'),
    // Whole clusters on a virtual clock: stories and fixed seeds.
    simulation: jest('simulation'),
    // Random input, different in each run. When a case fails, its seed is printed.
    fuzz: ['scripts/fuzz.ts', '--seconds', '20'],
  },
  // These checks wait most of the time: for blocks, for processes, for a page.
  {
    // Clusters in which each node is a separate process.
    e2e: jest('e2e', '--maxWorkers=3'),
    // The visualiser's page in a real browser.
    browser: jest('browser', '--maxWorkers=1'),
  },
];

const NAMES = LANES.flatMap((lane) => Object.keys(lane));

const seconds = (sinceMs) => ((performance.now() - sinceMs) / 1000).toFixed(1);

const given = process.argv.slice(2);
const unknown = given.find((name) => !NAMES.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`There is no check ${unknown}: the checks are ${NAMES.join(', ')}.\n`);
  process.exit(2);
}
const wanted = given.length === 0 ? NAMES : given;

ensureInstalled();
// Without this variable, programs whose output goes to a file print no colours.
if (process.stdout.isTTY && process.env.NO_COLOR === undefined) process.env.FORCE_COLOR ??= '1';
const folder = mkdtempSync(join(tmpdir(), 'nova-kms-checks-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const startedMs = performance.now();

/** Runs a check and prints its output. If the check fails, ends this process and all other running checks. */
async function check(name, arguments_) {
  const checkStartedMs = performance.now();
  const code = wanted.length === 1 ? await run(arguments_) : await runQuietly(name, arguments_);
  process.stdout.write(`== ${name}: ${code === 0 ? 'passed' : `failed (code ${code})`} in ${seconds(checkStartedMs)} s\n`);
  if (code !== 0) process.exit(code);
}

async function runQuietly(name, arguments_) {
  const file = join(folder, name);
  const output = openSync(file, 'w');
  const code = await run(arguments_, { output });
  closeSync(output);
  process.stdout.write(`\n== ${name}\n${readFileSync(file, 'utf8')}`);
  return code;
}

await Promise.all(
  LANES.map(async (lane) => {
    for (const [name, arguments_] of Object.entries(lane)) if (wanted.includes(name)) await check(name, arguments_);
  }),
);
process.stdout.write(`\nAll checks passed in ${seconds(startedMs)} s.\n`);
process.exit(0);
