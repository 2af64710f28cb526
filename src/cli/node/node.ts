/**
 * `nova-kms node`: runs one node, configured by the environment (protocol.md §8). The first SIGTERM or SIGINT shuts the node down
 * gracefully, and a second signal ends it immediately. An error of the machine or a broken invariant ends the node with code 1, so that a
 * supervisor can start it again.
 */
import type { Command } from 'commander';
import process from 'node:process';
import { readConfig } from '../../config/read-config.ts';
import { SETTINGS, type Config } from '../../config/settings.ts';
import { signsNatively } from '../../crypto/native-library.ts';
import { failureFacts, failureLogFacts } from '../../domain/failure-facts.ts';
import type { Log } from '../../domain/ports.ts';
import { runNode, type RunningNode } from '../../node/run-node.ts';
import { createLog } from '../../observe/log.ts';
import { systemClock } from '../../system/system.ts';
import { EXIT } from '../exit-codes.ts';
import { exitWithParent, exitWithParentOption } from '../exit-with-parent.ts';
import { onStopSignals } from '../stop-signals.ts';

const MORE = `
The configuration comes from the environment; nova-kms check-config prints it. Logs
are JSON lines on standard error.

Example:
  IN_ENCLAVE=false BIND_ADDR=127.0.0.1:8000 nova-kms node

Exit codes:
  0    shut down after SIGTERM or SIGINT
  1    the environment is wrong, the node cannot listen, or an invariant is broken
  130  a second signal stopped it immediately`;

export function define(command: Command): void {
  command.addOption(exitWithParentOption()).addHelpText('after', MORE);
}

export async function run(command: Command): Promise<number> {
  const read = readConfig(process.env);
  // Removes secrets from the environment, so that child processes and dumps do not show them. On Linux, /proc/PID/environ still shows
  // them, so variables with secrets are only for development.
  for (const { variable, secret } of Object.values(SETTINGS)) if (secret) Reflect.deleteProperty(process.env, variable);
  if (!read.ok) {
    for (const problem of read.problems) process.stderr.write(`${problem}\n`);
    return EXIT.failed;
  }
  const { config, effective } = read;
  const log = createLog({ level: config.logLevel, stream: process.stderr }, { clock: systemClock });
  log.info('effective configuration', effective);
  if (!signsNatively()) log.warn('no native secp256k1 for this platform: signatures are made and checked by a slow library in JavaScript', { platform: `${process.platform}-${process.arch}` });
  return untilClosed(config, log, command.opts<{ exitWithParent?: boolean }>().exitWithParent === true);
}

/** @returns the exit code */
async function untilClosed(config: Config, log: Log, withParent: boolean): Promise<number> {
  const ended = Promise.withResolvers<number>();
  // If a signal arrives while the node starts, the node is closed after its start is complete.
  const started = Promise.withResolvers<RunningNode | null>();
  let closing = false;

  const close = (code: number): void => {
    if (closing) return;
    closing = true;
    started.promise
      .then((running) => running?.close())
      .then(
        () => {
          log.info('stopped');
          ended.resolve(code);
        },
        (error: unknown) => {
          log.error('the node did not stop cleanly', failureLogFacts(failureFacts(error)));
          ended.resolve(EXIT.failed);
        },
      );
  };
  const fail = (error: Error): void => {
    log.error('the node stops', failureLogFacts(failureFacts(error)));
    close(EXIT.failed);
  };

  onStopSignals(
    () => close(EXIT.done),
    () => process.exit(EXIT.interrupted),
  );
  // By default, Node.js opens a debugger on SIGUSR1, and a debugger can read all memory. This handler prevents that. Until this handler is
  // set, only the launcher's option `--disable-sigusr1` prevents it.
  if (config.inEnclave) process.on('SIGUSR1', () => undefined);
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', (error) => fail(error instanceof Error ? error : new Error('a promise was rejected with a value that is not an Error')));
  if (withParent) exitWithParent(() => close(EXIT.done));

  try {
    const running = await runNode(config, log, fail);
    log.info('listening', { host: config.bindAddress.host, port: running.port });
    started.resolve(running);
  } catch (error) {
    started.resolve(null);
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== 'listen' && syscall !== 'getaddrinfo') {
      log.error('the node cannot start', failureLogFacts(failureFacts(error)));
      return EXIT.failed;
    }
    const where = `${config.bindAddress.host}:${config.bindAddress.port}`;
    log.error('the node cannot listen', { where, code: code ?? 'unknown' });
    process.stderr.write(`cannot listen on ${where}: ${code === 'EADDRINUSE' ? 'the port is in use' : (code ?? 'unknown')}\n`);
    return EXIT.failed;
  }
  return ended.promise;
}
