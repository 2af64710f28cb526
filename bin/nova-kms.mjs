#!/usr/bin/env node
/**
 * `nova-kms`, from a checkout and from the package. A checkout runs its TypeScript sources on the Node from the lockfile. The package runs
 * the built modules: in this process if its Node is new enough, otherwise on the Node that was installed with the package. A node runs in a
 * separate process with special Node options (launch/node-flags.mjs). In the package, that process runs one bundled file.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { runInForeground } from '../launch/foreground.mjs';
import { NODE_ENVIRONMENT, nodeFlags } from '../launch/node-flags.mjs';
import { childEnvironment, isNewEnough, ROOT, runtime } from '../launch/runtime.mjs';
import { whenStarterIsGone } from '../launch/starter.mjs';

const given = process.argv.slice(2);
const isNode = given[0] === 'node';
const source = join(ROOT, 'src', 'cli', 'nova-kms.ts');
const built = isNode ? join(ROOT, 'dist', 'bundle', 'node-program.js') : join(ROOT, 'dist', 'cli', 'nova-kms.js');

if (existsSync(source)) {
  const { requireInstalled } = await import('../launch/installed.mjs');
  requireInstalled({ development: false });
  process.exit(await runOnRuntime(source, childEnvironment()));
} else if (!isNode && isNewEnough()) {
  whenStarterIsGone(() => process.kill(process.pid, 'SIGTERM'));
  await import(pathToFileURL(built).href);
} else process.exit(await runOnRuntime(built, process.env));

function runOnRuntime(program, environment) {
  const [flags, variables] = isNode ? [nodeFlags(environment), NODE_ENVIRONMENT] : [[], {}];
  return runInForeground(runtime(), [...flags, program, ...given], { env: { ...environment, ...variables } });
}
