/**
 * A command of the package as a user starts it: a process, what it prints, how it ends; and every process that came of it,
 * found by a mark in the environment that they all inherit.
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
  /** Settles when the process is gone and its output read. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #mark = `/mark-${randomUUID()}`;
  /** HOME and TMPDIR of the command: what it leaves there is found. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'command-'));
  #outputEnded = false;
  #stdout = '';
  #stderr = '';

  /** @param environment over this process's own @param cwd a checkout */
  constructor(file: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}, cwd = ROOT) {
    // A separate process group, as a shell gives to a command: a signal to the group is a terminal's Ctrl-C.
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

  /** To the process that was started, and no other. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To all of its group, as a terminal does. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.#child.pid!, signal);
  }

  /** Waits until `holds` what was printed so far. */
  async until(what: string, holds: (printed: Pick<Ended, 'stdout' | 'stderr'>) => boolean, timeoutMs = WAIT_TIMEOUT_MS): Promise<void> {
    await waitUntil({ what, timeoutMs, everyMs: 20 }, async () => {
      if (holds({ stdout: this.#stdout, stderr: this.#stderr })) return null;
      // A child process may still print when the process itself is gone.
      if (this.#outputEnded) throw new Error(`${what}: the command has ended: ${this.#stderr}`);
      return 'it was not printed';
    });
  }

  /** What lives of all that was started. */
  processes(): readonly FoundProcess[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => readProc(pid, 'environ').includes(this.#mark))
      .map((pid) => ({ pid: Number(pid), parent: parentOf(pid), command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim() }))
      // A process that ended meanwhile, or that its parent has not fetched yet.
      .filter(({ command }) => command !== '');
  }

  /** The one process whose command line holds a text. A child of it that has not begun its own program yet still has that line. */
  processOf(text: string): FoundProcess {
    const all = this.processes().filter(({ command }) => command.includes(text));
    const found = all.filter(({ parent }) => !all.some(({ pid }) => pid === parent));
    if (found.length !== 1) throw new Error(`${found.length} processes of ${text}`);
    return found[0]!;
  }

  async untilNothingLives(timeoutMs = WAIT_TIMEOUT_MS): Promise<void> {
    await waitUntil({ what: 'the end of all processes', timeoutMs, everyMs: 20 }, async () => {
      const left = this.processes();
      return left.length === 0 ? null : left.map(({ command }) => command).join('; ');
    });
  }

  /** What is in the folder that the command took for the home and the temporary one, besides npm's own. */
  filesLeft(): readonly string[] {
    return readdirSync(this.#folder).filter((name) => name !== '.npm');
  }

  /** After a test, regardless of its outcome. */
  async clear(): Promise<void> {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It was faster.
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

/** 0 when the process has ended. */
function parentOf(pid: string): number {
  const stat = readProc(pid, 'stat');
  // The name before may hold spaces and brackets; the state and the parent follow it.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}

/** Of what Node compiles, by the content of the files: a start from the sources then takes two thirds of the processor time. */
const COMPILE_CACHE = join(ROOT, 'node_modules', '.cache', 'nova-kms', 'compiled');

/** What this test run says to its own processes, and npm to its scripts, is not for the command. npm writes no cache in the temporary folder. */
function withoutJest(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(environment).filter(([name]) => !/^(?:npm_|NODE_OPTIONS$|NODE_ENV$|JEST|FORCE_COLOR$)/i.test(name));
  return { ...Object.fromEntries(entries), NPM_CONFIG_UPDATE_NOTIFIER: 'false', NPM_CONFIG_LOGS_MAX: '0', NODE_COMPILE_CACHE: COMPILE_CACHE };
}
