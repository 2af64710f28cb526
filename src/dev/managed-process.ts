/**
 * A child process of the cluster: its output is captured, and it can be stopped or killed. The child watches its standard input, a pipe
 * whose other end this process holds. So the child also ends when this process ends, even through SIGKILL.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import type { CapturedOutput } from './captured-output.ts';
import { pause } from './waiting.ts';

export const ROOT = join(import.meta.dirname, '..', '..');

/** How long a process may take to end before it is killed: more than the 15 s that an orderly stop of a node may take. Milliseconds. */
export const STOP_TIMEOUT_MS = 20_000;

export interface ProcessOptions {
  readonly name: string;
  /** Flags of Node.js, the program's path under the project's root, and its arguments. */
  readonly arguments: readonly string[];
  /** The whole environment of the process, except PATH, which it inherits. A proxy that the user's shell sets must not affect the nodes. */
  readonly environment: Readonly<Record<string, string>>;
  /** Collects the output of all processes that are started one after another under this name. */
  readonly output: CapturedOutput;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class ManagedProcess {
  readonly name: string;
  /** Resolves when the process has ended and its output has been read. */
  readonly exited: Promise<Exit>;
  readonly #output: CapturedOutput;
  readonly #child: ChildProcess;
  readonly #firstLine: Promise<string>;
  #exit: Exit | null = null;
  #stopping: Promise<Exit> | null = null;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    const first = Promise.withResolvers<string>();
    this.#firstLine = first.promise;
    first.promise.catch(() => undefined);
    this.#output = options.output;
    this.#output.forgetLastError();
    this.#child = spawn(process.execPath, options.arguments, {
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', ...options.environment },
      // In a separate process group, the child does not get the terminal's Ctrl-C. This process stops its children gracefully.
      detached: true,
    });
    this.#child.stdin!.on('error', () => undefined);
    this.#output.follow('stdout', this.#child.stdout!, (text) => first.resolve(text));
    this.#output.follow('stderr', this.#child.stderr!);
    const exited = Promise.withResolvers<Exit>();
    this.exited = exited.promise;
    const settle = (exit: Exit): void => {
      this.#exit ??= exit;
      first.reject(new Error(this.describeEnd()));
      exited.resolve(exit);
    };
    this.#child.once('close', (code, signal) => settle({ code, signal }));
    this.#child.once('error', () => settle({ code: null, signal: null }));
  }

  get running(): boolean {
    return this.#exit === null;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The first line on standard output. @throws Error when the process ends or the timeout passes before that line */
  async firstLine(timeoutMs: number): Promise<string> {
    const limit = pause(timeoutMs);
    try {
      const line = await Promise.race([this.#firstLine, limit.passed]);
      if (line === undefined) throw new Error(`${this.name} printed no line within ${timeoutMs} ms`);
      return line;
    } finally {
      limit.cancel();
    }
  }

  /** One line that says how the process ended, and quotes its last error line. */
  describeEnd(): string {
    if (this.#exit === null) return `${this.name} is running`;
    const { code, signal } = this.#exit;
    const how = signal === null ? `ended with code ${code ?? 'none'}` : `ended by ${signal}`;
    const last = this.#output.lastError();
    return `${this.name} ${how}${last === null ? '' : `: ${last.slice(0, 300)}`}`;
  }

  /**
   * Ends the process gracefully with SIGTERM, or with SIGKILL after `STOP_TIMEOUT_MS`. Several callers may call this, but the process gets
   * only one SIGTERM, because a second SIGTERM makes a node stop immediately.
   */
  async stop(): Promise<Exit> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends the process with SIGKILL, as if it had crashed. */
  async kill(): Promise<Exit> {
    if (this.running) this.#child.kill('SIGKILL');
    return this.exited;
  }

  async #stop(): Promise<Exit> {
    if (this.running) this.#child.kill('SIGTERM');
    const limit = pause(STOP_TIMEOUT_MS);
    const exit = await Promise.race([this.exited, limit.passed]);
    limit.cancel();
    return exit ?? this.kill();
  }
}
