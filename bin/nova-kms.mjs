#!/usr/bin/env node
/**
 * `nova-kms`, from a checkout and from the package. A checkout runs its TypeScript on the Node that the lockfile brings; the
 * package runs what was built, in this process when its Node is new enough, else on the Node that was installed beside it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { runInForeground } from '../launch/foreground.mjs';
import { childEnvironment, isNewEnough, ROOT, runtime } from '../launch/runtime.mjs';
import { whenStarterIsGone } from '../launch/starter.mjs';

const given = process.argv.slice(2);
const source = join(ROOT, 'src', 'cli', 'nova-kms.ts');
const built = join(ROOT, 'dist', 'cli', 'nova-kms.js');
/** A node holds keys in its memory: nobody opens a debugger in it by SIGUSR1, which Node else answers with one. */
const guard = given[0] === 'node' ? ['--disable-sigusr1'] : [];

if (existsSync(source)) {
  const { requireInstalled } = await import('../launch/installed.mjs');
  requireInstalled({ development: false });
  process.exit(await runInForeground(runtime(), [...guard, source, ...given], { env: childEnvironment() }));
} else if (guard.length === 0 && isNewEnough()) {
  whenStarterIsGone(() => process.kill(process.pid, 'SIGTERM'));
  await import(pathToFileURL(built).href);
} else process.exit(await runInForeground(runtime(), [...guard, built, ...given]));
