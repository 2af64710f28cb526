/**
 * Loaded before a program that a launcher runs (`node --import`): when the launcher is gone, the program ends. In order when it
 * listens for `launcher-gone` or for SIGTERM, and by force when that takes too long.
 */
import { Socket } from 'node:net';
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';

/** More than a cluster takes to stop its nodes in order. Milliseconds. */
const END_WITHIN_MS = 30_000;
/** Between two looks whether the program that forked this process is still there. Milliseconds. */
const LOOK_EVERY_MS = 500;

// Whatever this program starts inherits neither the pipe's name nor its meaning.
const descriptor = process.env.NOVA_KMS_LEASH;
if (isMainThread) delete process.env.NOVA_KMS_LEASH;

function end() {
  if (!process.emit('launcher-gone')) process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), END_WITHIN_MS).unref();
}

// A process that the program forked, such as a worker of Jest, loads this file too. A listener for `disconnect` would keep it alive.
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
  // It keeps no program alive that has nothing left to do.
  leash.unref();
}
