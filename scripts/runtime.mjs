/**
 * Finds the Node that the product runs on: the one that the lockfile installed, else the host's own when it is new
 * enough. Plain JavaScript without dependencies: on a fresh machine this runs before anything is installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runInForeground } from '../bin/foreground.mjs';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const REQUIRED_MAJOR = 24;
const MODULES = join(ROOT, 'node_modules');
const STAMP = join(MODULES, '.installed-lockfile');

function major(version) {
  return Number(version.replace(/^v/, '').split('.', 1)[0]);
}

function fail(line) {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

/** Path of the Node to run children with. Exits with one line when there is none. */
export function runtime() {
  const installed = join(MODULES, `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(installed)) return installed;
  if (major(process.version) >= REQUIRED_MAJOR) return process.execPath;
  return fail(
    `Node ${REQUIRED_MAJOR} or newer is needed and the lockfile brings none for ${process.platform}-${process.arch}: ` +
      `this is ${process.version}. Install Node ${REQUIRED_MAJOR} and run the command again.`,
  );
}

/** Installs from the lockfile when that has not been done for this lockfile yet. */
export function ensureInstalled() {
  const lock = createHash('sha256').update(readFileSync(join(ROOT, 'package-lock.json'))).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lock) return;
  process.stderr.write('Installing from package-lock.json (npm ci) ...\n');
  const npm = process.env.npm_execpath;
  const arguments_ = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const done =
    npm !== undefined && /\.[cm]?js$/.test(npm)
      ? spawnSync(process.execPath, [npm, ...arguments_], { cwd: ROOT, stdio: ['ignore', 2, 2] })
      : spawnSync('npm', arguments_, { cwd: ROOT, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (done.status !== 0) fail('npm ci failed; its messages are above.');
  writeFileSync(STAMP, lock);
}

/** The environment for children: the installed binaries come first, warnings about type stripping stay quiet. */
export function childEnvironment() {
  return { ...process.env, PATH: `${join(MODULES, '.bin')}:${process.env.PATH ?? ''}` };
}

/** Runs a program with the product's runtime in the foreground, from the project's root, and resolves with its exit code. */
export function run(arguments_) {
  return runInForeground(runtime(), arguments_, { cwd: ROOT, env: childEnvironment() });
}
