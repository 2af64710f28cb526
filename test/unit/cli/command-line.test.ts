/** What all commands have in common: which output goes to standard output or standard error, and the exit code. */
import { describe, expect, test } from '@jest/globals';
import { wholeNumber } from '../../../src/cli/option-values.ts';
import { runCommandLine, type CommandRow } from '../../../src/cli/command-line.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { CommandError, EXIT } from '../../../src/cli/exit-codes.ts';

const loaded: string[] = [];

function row(name: string, run: () => Promise<number>): CommandRow {
  return {
    name,
    summary: `about ${name}`,
    load: async () => {
      loaded.push(name);
      return { define: (command) => command.argument('[what]').option('--n <n>', 'a number', wholeNumber(1, 9)), run };
    },
  };
}

const ROWS: readonly CommandRow[] = [
  row('works', async () => EXIT.done),
  row('answers-no', async () => EXIT.no),
  row('fails', async () => {
    throw new Error('the disk is full\n    at a stack');
  }),
  row('repeats', async () => {
    throw new Error('their file contains \u001b]0;title\u0007\u001b[2J');
  }),
  row('refuses', async () => {
    throw new CommandError('no such file', EXIT.usage);
  }),
  {
    name: 'is-not-here',
    summary: 'about nothing',
    load: async () => {
      throw new CommandError('it is elsewhere');
    },
  },
  row('throws-text', async () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- some dependencies throw strings
    throw 'text';
  }),
];

async function run(argv: readonly string[], rows: readonly CommandRow[] = ROWS) {
  loaded.length = 0;
  let [stdout, stderr] = ['', ''];
  const code = await runCommandLine(argv, { version: '1.2.3', rows }, { stdout: (text) => (stdout += text), stderr: (text) => (stderr += text) });
  return { code, stdout, stderr };
}

test.each([
  ['works', 0, ''],
  ['works what', 0, ''],
  ['works --n 9', 0, ''],
  ['answers-no', 3, ''],
  ['fails', 1, 'the disk is full\n'],
  ['repeats', 1, 'their file contains ?]0;title??[2J\n'],
  ['refuses', 2, 'no such file\n'],
  ['is-not-here', 1, 'it is elsewhere\n'],
  ['throws-text', 1, 'a value that is not an Error was thrown\n'],
  ['work', 2, "error: unknown command 'work' (Did you mean works?)\n"],
  ['works --m', 2, "error: unknown option '--m'\n"],
  ['works --n 10', 2, "error: option '--n <n>' argument '10' is invalid. It must be a whole number from 1 to 9.\n"],
  ['works --n', 2, "error: option '--n <n>' argument missing\n"],
  ['works a b', 2, "error: too many arguments for 'works'. Expected 1 argument but got 2: a, b.\n"],
])('"%s" exits with %i and prints at most one error line', async (line, code, stderr) => {
  expect(await run(line.split(' '))).toEqual({ code, stdout: '', stderr });
});

test('a command is loaded only when it is used', async () => {
  await run(['works']);
  expect(loaded).toEqual(['works']);
  await run(['--help']);
  expect(loaded).toEqual([]);
});

test('help and version are printed to standard output, but if no command is given, help is printed to standard error', async () => {
  expect(await run(['--version'])).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
  for (const argv of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await run(argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: nova-kms \[options\] \[command\]\n[^]*answers-no +about answers-no\n[^]*Examples:\n[^]*Exit codes:\n  0    done\n  1    failed/);
  }
  const { code, stdout, stderr } = await run([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('Usage: nova-kms');
});

test('a request for the help of an unknown command is refused', async () => {
  expect(await run(['help', 'nosuch'])).toEqual({ code: 2, stdout: '', stderr: "error: unknown command 'nosuch'\n" });
});

describe.each(COMMANDS.map(({ name }) => [name] as const))('nova-kms %s', (name) => {
  test.each([[[name, '--help']], [['help', name]]])('prints help with examples and exit codes, at most 90 characters wide, when called as %j', async (argv) => {
    const { code, stdout, stderr } = await run(argv, COMMANDS);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: nova-kms ${name} `);
    expect(stdout).toMatch(/^Examples?:$/m);
    expect(stdout).toMatch(/^Exit codes:$/m);
    expect(Math.max(...stdout.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(90);
  });

  test('refuses an unknown option', async () => {
    const { code, stdout, stderr } = await run([name, '--nonsense', 'a', 'b'], COMMANDS);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: unknown option '--nonsense'.*\n$/);
  });
});
