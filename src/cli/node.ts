/**
 * `npm run node`: one node from the environment (protocol.md §8). SIGTERM and SIGINT end it in order, a second one at once.
 * A machine in error or a broken invariant ends it with code 1, for a supervisor to start it again.
 */
import process from 'node:process';
import { readConfig } from '../config/read-config.ts';
import { SETTINGS } from '../config/settings.ts';
import { InvariantError } from '../domain/errors.ts';
import { runNode, type RunningNode } from '../node/run-node.ts';
import { systemClock } from '../system/system.ts';
import { createLog } from '../observe/log.ts';
import { exitWithParent } from './exit-with-parent.ts';
import { onStopSignals } from './stop-signals.ts';

const read = readConfig(process.env);
// Nothing that is started or dumped later can show them.
for (const { variable, secret } of Object.values(SETTINGS)) if (secret) Reflect.deleteProperty(process.env, variable);

if (!read.ok) {
  for (const problem of read.problems) process.stderr.write(`${problem}\n`);
  process.exit(1);
}
const { config, effective } = read;
const log = createLog({ level: config.logLevel, stream: process.stderr }, { clock: systemClock });
log.info('effective configuration', effective);

let running: RunningNode | null = null;
let closing = false;

/** A log line that a pipe has not taken yet would be lost by an exit. */
function exitAfterFlush(code: number): void {
  process.exitCode = code;
  process.stderr.write('', () => process.exit(code));
}

function close(code: number): void {
  if (closing) return;
  closing = true;
  const done = running?.close() ?? Promise.resolve();
  done.then(
    () => {
      log.info('stopped');
      exitAfterFlush(code);
    },
    () => exitAfterFlush(1),
  );
}

function fail(error: Error): void {
  const why = error instanceof InvariantError ? error.message : 'the machine failed';
  log.error('the node stops', { why, kind: error.name });
  close(1);
}

onStopSignals(
  () => close(0),
  () => process.exit(130),
);
process.on('uncaughtException', fail);
process.on('unhandledRejection', (error) => fail(error instanceof Error ? error : new Error('a promise was rejected')));
if (process.argv.includes('--exit-with-parent')) exitWithParent(() => close(0));

try {
  running = await runNode(config, log, fail);
  log.info('listening', { host: config.bindAddress.host, port: running.port });
} catch (error) {
  const { code } = error as NodeJS.ErrnoException;
  const where = `${config.bindAddress.host}:${config.bindAddress.port}`;
  log.error('the node cannot listen', { where, code: code ?? 'unknown' });
  process.stderr.write(`cannot listen on ${where}: ${code === 'EADDRINUSE' ? 'the port is in use' : (code ?? 'unknown')}\n`);
  exitAfterFlush(1);
}
