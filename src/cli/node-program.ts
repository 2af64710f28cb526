/** `nova-kms node` alone: where the bundle of the package and of the image begins (scripts/bundle/bundle-node.ts). */
import { nameFramesBy } from '../domain/failure-facts.ts';
import { bundleSources } from '../observe/bundle-sources.ts';
import { NODE } from './node/row.ts';
import { runProgram } from './program.ts';

nameFramesBy(bundleSources(import.meta.dirname));
await runProgram([NODE]);
