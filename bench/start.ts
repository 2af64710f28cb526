/**
 * `npm run bench:start`: the time from the start of a process to its first node_tick, that is, to its first request to the chain. The
 * sources of a checkout, the modules of the package and the bundle of the package are measured in turn.
 *
 * `--turns N` sets how many times each of them is measured.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { NODE_ENVIRONMENT, nodeFlags } from '../launch/node-flags.mjs';
import { aimAt } from './aims.ts';
import { median, table } from './statistics.ts';

const ROOT = join(import.meta.dirname, '..');
const PROGRAMS = [
  ['sources', 'src/cli/nova-kms.ts'],
  ['modules', 'dist/cli/nova-kms.js'],
  ['bundle', 'dist/bundle/node-program.js'],
] as const;
/** The longest time that the bundle may take, as a share of the time that the modules take. */
const AIM = 0.5;

const { values: options } = parseArgs({ options: { turns: { type: 'string', default: '9' } } });

const built = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: ROOT, stdio: 'inherit' });
if (built.status !== 0) throw new Error('the build failed');

let asked = Promise.withResolvers<undefined>();
const chain = createServer((_, response) => {
  asked.resolve(undefined);
  response.destroy();
});
const listening = Promise.withResolvers<undefined>();
chain.listen(0, '127.0.0.1', () => listening.resolve(undefined));
await listening.promise;
const url = `http://127.0.0.1:${(chain.address() as AddressInfo).port}`;

/** Starts a node and ends it after its first request to the chain. @returns the time until that request, in milliseconds */
async function startOnce(program: string): Promise<number> {
  asked = Promise.withResolvers();
  const environment = { IN_ENCLAVE: 'false', BIND_ADDR: '127.0.0.1:0', NODE_URL: url, ODYN_URL: url, LOG_LEVEL: 'ERROR' };
  const fromMs = performance.now();
  const node = spawn(process.execPath, [...nodeFlags(environment), program, 'node'], { cwd: ROOT, stdio: 'ignore', env: { ...NODE_ENVIRONMENT, ...environment } });
  const ended = Promise.withResolvers<undefined>();
  node.once('exit', () => {
    ended.resolve(undefined);
    asked.reject(new Error('the node ended before it asked the chain'));
  });
  await asked.promise;
  const ms = performance.now() - fromMs;
  node.kill('SIGKILL');
  await ended.promise;
  return ms;
}

const figures = PROGRAMS.map((): number[] => []);
for (let turn = 0; turn <= Number(options.turns); turn += 1) {
  for (const [place, [, program]] of PROGRAMS.entries()) {
    const ms = await startOnce(program);
    // The first turn does not count: it fills the file cache of the system.
    if (turn > 0) figures[place]!.push(ms);
  }
}
chain.close();
chain.closeAllConnections();
process.stdout.write(`from exec to the first node_tick\n${table([['run from', 'ms, median', 'minimum'], ...PROGRAMS.map(([name], place) => [name, median(figures[place]!).toFixed(0), Math.min(...figures[place]!).toFixed(0)])])}\n`);
const [, modules, bundle] = figures as [number[], number[], number[]];
const ratio = median(bundle.map((ms, turn) => ms / modules[turn]!));
process.stdout.write(`start time of the bundle, as a share of that of the modules: ${ratio.toFixed(2)}; aim: at most ${AIM}\n`);
aimAt(`the bundle starts in at most ${AIM} times the time that the modules need`, ratio <= AIM);
