/** The exit codes of all commands (README.md, The command line). */
export const EXIT = {
  done: 0,
  /** The command failed. One line on standard error states the reason. */
  failed: 1,
  /** The command line, or a file or variable that the command needs, is invalid. A node with an invalid environment exits with `failed`. */
  usage: 2,
  /** The command worked, but its answer is negative: a node is not ready or not reachable, or a key does not exist. */
  no: 3,
  /** A second Ctrl-C ended the process immediately. */
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
