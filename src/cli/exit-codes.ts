/** What the exit code of every command says to scripts (README.md, The command line). */
export const EXIT = {
  done: 0,
  /** The reason is one line on standard error. */
  failed: 1,
  /** The command line, or a file or variable that the command needs, cannot be read; a node's own environment counts as `failed`. */
  usage: 2,
  /** There is an answer, and it is no: a node is not ready or not reachable, a key is not there. */
  no: 3,
  /** A second Ctrl-C, which waits for nothing. */
  interrupted: 130,
} as const;

/** Ends a command with one line on standard error. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}
