/**
 * Runs a file of golden vectors through production code: one test per case, and a line with the counts at the end. A file without any
 * case fails. `VECTORS_DIR` can name another folder with files of the same form.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, describe, expect, test } from '@jest/globals';

export interface VectorCase {
  readonly name?: string;
  readonly input?: string;
  /** The protocol leaves the case open; docs/decisions has the decision of this node. */
  readonly open?: boolean;
}

const DIRECTORY = process.env['VECTORS_DIR'] ?? join(import.meta.dirname, 'data');

export interface VectorSuite<File> {
  readonly file: File;
  /**
   * Registers a test per case. `check` throws when the result of production code differs from `expect`. For an open case, the
   * result is compared with the decision of this node, if there is one.
   */
  readonly cases: <Case extends VectorCase>(list: readonly Case[], title: string, check: (vector: Case) => void | Promise<void>) => void;
}

/** Registers the tests of one vector file. `File` is the type of its contents. */
export function describeVectors<File>(fileName: string, body: (suite: VectorSuite<File>) => void): void {
  const file = JSON.parse(readFileSync(join(DIRECTORY, fileName), 'utf8')) as File;
  const counts = { run: 0, passed: 0, open: 0 };
  describe(fileName, () => {
    body({
      file,
      cases: (list, title, check) => {
        for (const vector of list) {
          test(`${title}: ${vector.name ?? JSON.stringify(vector.input)}`, async () => {
            counts.run += 1;
            if (vector.open === true) counts.open += 1;
            await check(vector);
            counts.passed += 1;
          });
        }
      },
    });
    test('ran at least one case', () => {
      expect(counts.run).toBeGreaterThan(0);
    });
    afterAll(() => {
      process.stdout.write(`vectors ${fileName}: ${counts.run} cases run, ${counts.passed} passed, ${counts.open} open\n`);
    });
  });
}
