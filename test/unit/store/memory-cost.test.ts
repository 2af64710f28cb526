/** `MAX_STORE_BYTES` (protocol.md §10, Bounds): the store counts at least as many bytes as the heap grows by, for records of any kind. */
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

/** The number of records: slightly above a power of two, so that maps have just doubled. */
const RECORDS = '2100';

test('the heap of a process grows by no more than the bytes that its store counts, for all kinds of records', async () => {
  // The measurement runs in a separate process, because otherwise it would include the memory of jest.
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', 'bench/store-memory.ts', RECORDS]);
  expect(stdout).not.toContain('missed');
  expect(stdout.match(/^apps with one tombstone/m)).not.toBeNull();
});
