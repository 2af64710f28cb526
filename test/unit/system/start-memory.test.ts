/** A node returns memory to the system when it is ready for the first time. The tests measure the heap of a real process. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import process from 'node:process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { nodeFlags } from '../../../launch/node-flags.mjs';

const MIB = 1024 * 1024;

type Sizes = Readonly<Record<'new_space' | 'old_space', number>>;

/** The sizes of the heap's spaces before and after `releaseStartMemory`, in bytes. */
async function sizesAround(heapBytes: number, flags: readonly string[]): Promise<{ readonly before: Sizes; readonly after: Sizes }> {
  const script = fileURLToPath(new URL('start-memory.process.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script, String(heapBytes)]);
  return JSON.parse(stdout) as { readonly before: Sizes; readonly after: Sizes };
}

describe('memory that the start of a node used', () => {
  test('is returned if Node.js runs with the options of a KMS node: the young generation shrinks and the garbage is collected', async () => {
    const { before, after } = await sizesAround(10 * MIB, nodeFlags({}));
    expect(before.new_space).toBeGreaterThan(2 * MIB);
    expect(after.new_space).toBeLessThan(2 * MIB);
    expect(after.old_space).toBeLessThan(before.old_space / 2);
  });

  test('is kept if the heap is large, because the pause would be long', async () => {
    const { before, after } = await sizesAround(65 * MIB, nodeFlags({}));
    expect(after.new_space).toBeGreaterThanOrEqual(before.new_space);
  });

  test('is kept if Node.js runs without --expose-gc, because the KMS node then cannot cause a collection', async () => {
    const { before, after } = await sizesAround(10 * MIB, nodeFlags({}).filter((flag) => flag !== '--expose-gc'));
    expect(after.new_space).toBeGreaterThanOrEqual(before.new_space);
  });
});
