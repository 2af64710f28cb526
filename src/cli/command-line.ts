/**
 * The parts that all commands share: they print help, refuse invalid options, and report an error as one line on standard error. A command
 * is a module with its options and a function that runs it. The module is loaded only when the command is used, so that a node does not
 * load the simulator.
 */
import { Command, CommanderError } from 'commander';
import { CommandError, EXIT } from './exit-codes.ts';
import { plainText } from './plain-text.ts';

export interface CommandModule {
  /** Declares arguments, options and examples. */
  readonly define: (command: Command) => unknown;
  /** @returns the exit code @throws CommandError, or an Error whose first line states the problem */
  readonly run: (command: Command) => Promise<number>;
}

export interface CommandRow {
  readonly name: string;
  /** The description next to the name in the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

export interface CommandLineOptions {
  readonly version: string;
  readonly rows: readonly CommandRow[];
}

export interface Streams {
  readonly stdout: (text: string) => unknown;
  readonly stderr: (text: string) => unknown;
}

/** Maximum length of an error line, which may quote a file of unknown origin. Characters. */
const MAX_ERROR_CHARS = 1_000;

const DESCRIPTION = 'Nova KMS: nodes that hold one master secret, derive keys for apps and replicate their data.';

const MORE = `
Examples:
  nova-kms dev                               a cluster on this machine
  nova-kms status http://127.0.0.1:8000      one screen for the whole cluster
  nova-kms help status                       the help of one command

Exit codes:
  0    done
  1    failed; one line on standard error gives the reason
  2    the command line, or a file or variable that the command needs, is invalid
  3    the answer is negative: not ready, not reachable or not found
  130  a second Ctrl-C stopped the command immediately`;

/** @returns the exit code */
export async function runCommandLine(argv: readonly string[], { version, rows }: CommandLineOptions, { stdout, stderr }: Streams): Promise<number> {
  let code: number = EXIT.done;
  const program = new Command('nova-kms')
    .description(DESCRIPTION)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', MORE)
    .exitOverride()
    .configureOutput({ writeOut: stdout, writeErr: stderr, outputError: (text, write) => write(oneLine(text)) });
  const given = namedCommand(argv);
  if (argv[0] === 'help' && given !== undefined && !rows.some(({ name }) => name === given)) {
    stderr(`error: unknown command '${plainText(given, MAX_ERROR_CHARS)}'\n`);
    return EXIT.usage;
  }
  try {
    for (const { name, summary, load } of rows) {
      const command = program.command(name).description(summary).helpOption('-h, --help', 'print this help').allowExcessArguments(false);
      if (name !== given) continue;
      const { define, run } = await load();
      define(command);
      command.action(async () => {
        code = await run(command);
      });
    }
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    stderr(`${plainText(firstLine(error), MAX_ERROR_CHARS)}\n`);
    return error instanceof CommandError ? error.exitCode : EXIT.failed;
  }
}

function namedCommand(argv: readonly string[]): string | undefined {
  const words = argv.filter((word) => !word.startsWith('-'));
  return words[0] === 'help' ? words[1] : words[0];
}

/** Joins commander's error and the suggestion on its second line into one line. */
function oneLine(text: string): string {
  return `${text.trimEnd().replaceAll('\n', ' ')}\n`;
}

/** Returns only the first line of the error's message: the other lines help only to debug the library that threw the error. */
export function firstLine(error: unknown): string {
  return error instanceof Error ? error.message.split('\n', 1)[0]! : 'a value that is not an Error was thrown';
}
