/**
 * Checks whether the packages of the lockfile are installed, according to npm's record of installed packages. It changes nothing: it
 * reports the missing packages and the command that installs them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, MODULES, ROOT } from './runtime.mjs';

/** Maximum number of packages that a message names. If there are more, the message also says how many more. */
const MAX_NAMED = 3;

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/**
 * The packages in the lockfile that are missing or installed in another version. Optional packages are not checked, because some of them
 * are for other platforms.
 * @param development whether to include packages that only development needs
 */
export function missingPackages(development) {
  const wanted = packagesOf(join(ROOT, 'package-lock.json'));
  const record = join(MODULES, '.package-lock.json');
  const installed = existsSync(record) ? packagesOf(record) : {};
  return Object.entries(wanted)
    .filter(([path, entry]) => path !== '' && entry.optional !== true && entry.devOptional !== true && (development || entry.dev !== true))
    .filter(([path, entry]) => installed[path]?.version !== entry.version || !existsSync(join(ROOT, path, 'package.json')))
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
}

/** If packages are missing, prints their names and the command that installs them, and exits. */
export function requireInstalled({ development }) {
  const missing = missingPackages(development);
  if (missing.length === 0) return;
  const rest = missing.length - MAX_NAMED;
  const names = `${missing.slice(0, MAX_NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  const command = development ? 'npm ci' : 'npm ci --omit=dev';
  fail(`Missing, or not the version in package-lock.json: ${names}. Run "${command}", then run this command again.`);
}
