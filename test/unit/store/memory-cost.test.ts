/** `MAX_STORE_BYTES` (protocol.md §10, Bounds): records of any shape count for at least as much as the heap grows. */
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

/** A little above a power of two: maps have just doubled. */
const RECORDS = '2100';

test('the heap of a process grows by no more than its store counts, for all kinds of records', async () => {
  // A separate process, because otherwise the memory of jest would be counted too.
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', 'bench/store-memory.ts', RECORDS]);
  expect(stdout).not.toContain('missed');
  expect(stdout.match(/^apps with one tombstone/m)).not.toBeNull();
});
