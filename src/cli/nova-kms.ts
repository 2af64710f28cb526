/** `nova-kms`, with all its commands. */
import { COMMANDS } from './commands.ts';
import { runProgram } from './program.ts';

await runProgram(COMMANDS);
