/**
 * A launcher loads this file before its program (`node --import`). This file ends the program when the launcher has ended. A program that
 * listens for `launcher-gone` or SIGTERM can shut down cleanly. A program that takes too long is killed.
 */
import { Socket } from 'node:net';
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';

/** How long the program may take to end before it is killed. A cluster needs less time to shut down all its nodes. Milliseconds. */
const END_WITHIN_MS = 30_000;
/** In a process that the launched program forked: time between two checks that the program is still running. Milliseconds. */
const LOOK_EVERY_MS = 500;

// Children of this program must not use the pipe, so they do not inherit the variable.
const descriptor = process.env.NOVA_KMS_LEASH;
if (isMainThread) delete process.env.NOVA_KMS_LEASH;

function end() {
  if (!process.emit('launcher-gone')) process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), END_WITHIN_MS).unref();
}

// A process that the program forked, such as a Jest worker, loads this file too. It checks with a timer whether the program is still
// running, because a listener for `disconnect` would keep the process alive.
if (isMainThread && process.connected === true) {
  const timer = setInterval(() => {
    if (process.connected) return;
    clearInterval(timer);
    end();
  }, LOOK_EVERY_MS).unref();
}

if (isMainThread && descriptor !== undefined) {
  const leash = new Socket({ fd: Number(descriptor), readable: true, writable: false });
  leash.on('error', () => undefined);
  leash.once('close', end);
  leash.resume();
  // The pipe must not keep the program alive when it has nothing left to do.
  leash.unref();
}
