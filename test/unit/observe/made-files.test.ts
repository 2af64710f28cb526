/** docs/metrics.md and the dashboards in the repository are up to date. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { MADE_FILES } from '../../../scripts/dashboards/files.ts';

test.each([...MADE_FILES])('%s equals the output of npm run dashboards', (name, make) => {
  expect(readFileSync(join(import.meta.dirname, '..', '..', '..', name), 'utf8')).toBe(make());
});
