/**
 * Runs jest on the product's runtime, with ES modules. All arguments go to jest. A bare word selects tests whose path contains the word. It
 * is passed as `--testPathPatterns`, because after `--selectProjects`, Jest would take a bare word for the name of another project.
 */
import process from 'node:process';
import { requireInstalled } from '../launch/installed.mjs';
import { run } from './development.mjs';

/** The words after `--` have the same meaning as the words before it. */
const given = process.argv.slice(2).filter((word) => word !== '--');

/** Whether a word is neither an option nor the value of the previous option. */
const isPattern = (word, at) => !word.startsWith('-') && !/^--?[a-zA-Z]+$/.test(given[at - 1] ?? '');

requireInstalled({ development: true });
const code = await run([
  '--experimental-vm-modules',
  '--no-warnings=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
  ...given.filter((word, at) => !isPattern(word, at)),
  ...given.filter(isPattern).map((word) => `--testPathPatterns=${word}`),
]);
process.exit(code);
