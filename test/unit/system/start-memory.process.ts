/**
 * Creates garbage and makes the young generation grow, as the start of a node does. Prints the sizes of the heap's spaces before and after
 * `releaseStartMemory`.
 */
import process from 'node:process';
import { getHeapSpaceStatistics } from 'node:v8';
import { releaseStartMemory } from '../../../src/system/start-memory.ts';

const KEPT = 60;
const ROUNDS = 400;
const OBJECTS = 3_000;

const heapBytes = Number(process.argv[2]);
const sizes = (): Record<string, number> => Object.fromEntries(getHeapSpaceStatistics().map(({ space_name: name, space_size: bytes }) => [name, bytes]));

let kept: object[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  kept.push(Array.from({ length: OBJECTS }, (_, place) => ({ place, round: [round] })));
  if (kept.length > KEPT) kept.shift();
}
kept = [];
const before = sizes();
releaseStartMemory(heapBytes);
process.stdout.write(JSON.stringify({ before, after: sizes(), kept }));
