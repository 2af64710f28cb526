/**
 * `npm start`: installs packages if needed, then runs `nova-kms dev` on the product's runtime. On a fresh machine, this file runs before
 * the installation. So it is plain JavaScript without dependencies.
 */
import process from 'node:process';
import { fail, OLDEST_HOST } from '../launch/runtime.mjs';
import { ensureInstalled, run } from './development.mjs';

const [major, minor] = process.version.replace(/^v/, '').split('.').map(Number);
if (major < OLDEST_HOST[0] || (major === OLDEST_HOST[0] && minor < OLDEST_HOST[1])) {
  fail(`Node ${OLDEST_HOST.join('.')} or newer is needed to install and start; this is Node ${process.version}.`);
}

ensureInstalled();
process.exit(await run(['src/cli/nova-kms.ts', 'dev', ...process.argv.slice(2)]));
