#!/usr/bin/env node
/**
 * `nova-kms`, from a checkout and from the package. A checkout runs its TypeScript on the Node that the lockfile brings; the
 * package runs what was built, in this process when it is new enough, else on the Node that was installed beside it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runInForeground } from './foreground.mjs';

const REQUIRED_MAJOR = 24;
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(ROOT, 'src', 'cli', 'nova-kms.ts');
const built = join(ROOT, 'dist', 'cli', 'nova-kms.js');

/** Path of the Node that npm installed with the package; null when there is none for this platform. */
function installedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/package.json`);
    return join(dirname(manifest), 'bin', 'node');
  } catch {
    return null;
  }
}

async function runBuilt() {
  if (Number(process.versions.node.split('.', 1)[0]) >= REQUIRED_MAJOR) return import(built);
  const node = installedNode();
  if (node !== null) process.exitCode = await runInForeground(node, [built, ...process.argv.slice(2)]);
  else {
    process.stderr.write(`Node ${REQUIRED_MAJOR} or newer is needed: this is ${process.version}. Install it and run the command again.\n`);
    process.exitCode = 1;
  }
}

if (existsSync(source)) {
  const { childEnvironment, ensureInstalled, runtime } = await import('../scripts/runtime.mjs');
  ensureInstalled();
  process.exitCode = await runInForeground(runtime(), [source, ...process.argv.slice(2)], { env: childEnvironment() });
} else await runBuilt();
