/**
 * Runs jest on the product's runtime, with ES modules. Arguments go to jest; a bare word is a part of the paths of the tests to
 * run, which `--selectProjects` would take for one more project.
 */
import process from 'node:process';
import { requireInstalled } from '../launch/installed.mjs';
import { run } from './development.mjs';

/** `--` separates nothing here: what follows it are the same words. */
const given = process.argv.slice(2).filter((word) => word !== '--');

/** Neither an option nor the value of the one before it. */
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
