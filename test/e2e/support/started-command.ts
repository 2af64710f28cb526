/**
 * A command of the package, started as a user starts it: the process, its output and its end. A mark in the environment, which all child
 * processes inherit, identifies every process that the command started.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { waitUntil } from '../../../src/dev/waiting.ts';
import { WAIT_TIMEOUT_MS } from '../../support/limits.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FoundProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

export class StartedCommand {
  /** Resolves when the process has ended and its output has been read. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #mark = `/mark-${randomUUID()}`;
  /** `HOME` and `TMPDIR` of the command, so that the test finds files that the command leaves there. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'command-'));
  #outputEnded = false;
  #stdout = '';
  #stderr = '';

  /** @param environment overrides the variables of this process @param cwd a checkout */
  constructor(file: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}, cwd = ROOT) {
    // A separate process group, as a shell makes for a command, so that a signal to the group has the effect of Ctrl-C in a terminal.
    this.#child = spawn(file, args, {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...withoutJest(process.env), HOME: this.#folder, TMPDIR: this.#folder, ...environment, PATH: this.#path(environment) },
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => {
        this.#outputEnded = true;
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
    this.ended.catch(() => undefined);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Sends a signal to the started process only. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal to the whole process group, as a terminal does. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.#child.pid!, signal);
  }

  /** Waits until `holds` accepts the output. */
  async until(what: string, holds: (printed: Pick<Ended, 'stdout' | 'stderr'>) => boolean, timeoutMs = WAIT_TIMEOUT_MS): Promise<void> {
    await waitUntil({ what, timeoutMs, everyMs: 20 }, async () => {
      if (holds({ stdout: this.#stdout, stderr: this.#stderr })) return null;
      // A child process may still print after the process has ended.
      if (this.#outputEnded) throw new Error(`${what}: the command has ended: ${this.#stderr}`);
      return 'the expected output has not been printed';
    });
  }

  /** The processes of the command that are still running. */
  processes(): readonly FoundProcess[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => readProc(pid, 'environ').includes(this.#mark))
      .map((pid) => ({ pid: Number(pid), parent: parentOf(pid), command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim() }))
      // The command line is empty for a process that has just ended, or that its parent has not reaped yet.
      .filter(({ command }) => command !== '');
  }

  /**
   * The one process whose command line contains the text. A child that has not started its program yet does not count, because it still has
   * the command line of its parent.
   */
  processOf(text: string): FoundProcess {
    const all = this.processes().filter(({ command }) => command.includes(text));
    const found = all.filter(({ parent }) => !all.some(({ pid }) => pid === parent));
    if (found.length !== 1) throw new Error(`one process must match "${text}", but ${found.length} do`);
    return found[0]!;
  }

  /** Waits until all processes have ended and their output has been read. */
  async untilNothingLives(timeoutMs = WAIT_TIMEOUT_MS): Promise<void> {
    await waitUntil({ what: 'the end of all processes', timeoutMs, everyMs: 20 }, async () => {
      const left = this.processes();
      if (left.length > 0) return left.map(({ command }) => command).join('; ');
      return this.#outputEnded ? null : 'the output is still being read';
    });
  }

  /** The files in the `HOME` and `TMPDIR` of the command, apart from those of npm. */
  filesLeft(): readonly string[] {
    return readdirSync(this.#folder).filter((name) => name !== '.npm');
  }

  /** Kills the remaining processes and removes the folder. Call it after a test, even if the test failed. */
  async clear(): Promise<void> {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // The process had already ended.
      }
    }
    await this.untilNothingLives();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(environment: NodeJS.ProcessEnv): string {
    return `${environment['PATH'] ?? process.env['PATH'] ?? ''}${delimiter}${this.#mark}`;
  }
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** @returns the ID of the parent process; 0 when the process has ended */
function parentOf(pid: string): number {
  const stat = readProc(pid, 'stat');
  // The state and the parent follow the name, which may contain spaces and brackets.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}

/**
 * Node's compile cache, keyed by the content of the files. With the cache, a start from the sources takes two thirds of the processor time
 * that it takes without the cache.
 */
const COMPILE_CACHE = join(ROOT, 'node_modules', '.cache', 'nova-kms', 'compiled');

/** Removes the variables that this test run and npm set for their own processes, and keeps the compile cache of npm out of TMPDIR. */
function withoutJest(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(environment).filter(([name]) => !/^(?:npm_|NODE_OPTIONS$|NODE_ENV$|JEST|FORCE_COLOR$)/i.test(name));
  return { ...Object.fromEntries(entries), NPM_CONFIG_UPDATE_NOTIFIER: 'false', NPM_CONFIG_LOGS_MAX: '0', NODE_COMPILE_CACHE: COMPILE_CACHE };
}
