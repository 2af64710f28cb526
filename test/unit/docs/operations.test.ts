/** The runbook tells operators what to do for every reason that a node may report. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { REASONS } from '../../../src/domain/reasons.ts';

const runbook = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'operations.md'), 'utf8');

test.each(Object.values(REASONS))('exactly one row of the runbook explains the reason "%s"', (reason) => {
  const rows = runbook.split('\n').filter((line) => line.startsWith('|'));
  expect(rows.filter((row) => row.split('|')[1]!.includes(`\`${reason}\``))).toHaveLength(1);
});
