/** `nova-kms` with the command `node` only: the entry point of the bundle in the package and the image (scripts/bundle/bundle-node.ts). */
import { nameFramesBy } from '../domain/failure-facts.ts';
import { bundleSources } from '../observe/bundle-sources.ts';
import { NODE } from './node/row.ts';
import { runProgram } from './program.ts';

nameFramesBy(bundleSources(import.meta.dirname));
await runProgram([NODE]);
