/** Runs Anvil, the development chain, as a child process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { freePort } from './listening-ports.ts';
import { waitUntil } from './waiting.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/**
 * Anvil does not notice when its parent is killed. So a shell kills Anvil when the pipe on descriptor 3 closes. This process holds the
 * other end of the pipe, so the pipe closes when this process ends.
 */
const WATCHED = '"$@" & anvil=$!; { cat; kill -9 $anvil; } <&3 >/dev/null 2>&1 & wait $anvil';
/** Number of the latest blocks whose states Anvil keeps. It discards older states. Without this limit, it would write them to disk. */
const KEPT_STATES = 1_024;
/** How long Anvil may take to start and answer. Milliseconds. */
const START_TIMEOUT_MS = 20_000;
/** Pause between two checks of whether Anvil answers. Anvil starts in a few tenths of a second. Milliseconds. */
const LOOK_EVERY_MS = 50;

export interface AnvilOptions {
  /** 0: any free port. */
  readonly port: number;
  /** Seconds between blocks, at least 0.2. Null: each transaction immediately gets its own block. */
  readonly blockTimeSeconds: number | null;
}

export interface Anvil {
  readonly url: string;
  readonly process: ChildProcess;
  /** Ends Anvil and its shell. */
  stop(): Promise<void>;
}

/** The path of Anvil: in node_modules or, if it is missing there, on the PATH. @throws Error with a one-line message that says what to do */
function anvilPath(): string {
  const packaged = join(ROOT, 'node_modules', '@foundry-rs', `anvil-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`, 'bin', 'anvil');
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'anvil'));
  const found = [packaged, ...onPath].find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(`The lockfile has no Anvil for ${process.platform}-${process.arch}: install Foundry, so that "anvil" is on the PATH.`);
}

/** @throws Error with a one-line message when Anvil is missing or does not start */
export async function startAnvil(options: AnvilOptions): Promise<Anvil> {
  const path = anvilPath();
  const port = options.port === 0 ? await freePort() : options.port;
  const blocks = options.blockTimeSeconds === null ? [] : ['--block-time', String(options.blockTimeSeconds)];
  const settings = ['--port', String(port), '--host', '127.0.0.1', '--silent', '--no-cors', '--prune-history', String(KEPT_STATES)];
  const anvil = spawn('/bin/sh', ['-c', WATCHED, 'sh', path, ...settings, ...blocks], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const leash = anvil.stdio[3]!;
  leash.on('error', () => undefined);
  let exited = false;
  const gone = new Promise<void>((resolve) => {
    anvil.once('exit', () => {
      exited = true;
      leash.destroy();
      resolve();
    });
    anvil.once('error', () => {
      exited = true;
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    leash.destroy();
    await gone;
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitUntil({ what: `the start of Anvil on port ${port}`, timeoutMs: START_TIMEOUT_MS, everyMs: LOOK_EVERY_MS }, async () => {
      if (exited) throw new Error(`Anvil did not start on port ${port}.`);
      return (await answers(url)) ? null : 'Anvil does not answer';
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, process: anvil, stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] });
    const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    return answer.ok;
  } catch {
    return false;
  }
}
