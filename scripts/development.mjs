/** Shared by the development commands: installs packages, and runs a program from the project's root. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { runInForeground } from '../launch/foreground.mjs';
import { missingPackages } from '../launch/installed.mjs';
import { childEnvironment, fail, MODULES, ROOT, runtime } from '../launch/runtime.mjs';

/**
 * Installs the packages of the lockfile if any of them is missing. Only `npm start` and `npm test` use this function, because newcomers run
 * these commands first. `npm ci` is used only if node_modules does not exist: it first empties node_modules, so a failed install would
 * remove packages.
 */
export function ensureInstalled() {
  if (missingPackages(true).length === 0) return;
  const command = existsSync(MODULES) ? ['install', '--no-save'] : ['ci'];
  process.stderr.write(`Installing from package-lock.json (npm ${command.join(' ')}) ...\n`);
  const npm = process.env.npm_execpath;
  const arguments_ = [...command, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const done =
    npm !== undefined && /\.[cm]?js$/.test(npm)
      ? spawnSync(process.execPath, [npm, ...arguments_], { cwd: ROOT, stdio: ['ignore', 2, 2] })
      : spawnSync('npm', arguments_, { cwd: ROOT, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (done.status !== 0) fail(`npm ${command.join(' ')} failed; its messages are above.`);
}

/**
 * Runs a program with the product's runtime in the foreground, from the project's root, and resolves with its exit code.
 * @param options `output`: the descriptor of a file for the program's output
 */
export function run(arguments_, options = {}) {
  return runInForeground(runtime(), arguments_, { cwd: ROOT, env: childEnvironment(), ...options });
}
