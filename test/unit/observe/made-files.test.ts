/** docs/metrics.md and the dashboards are committed as they are made now. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { MADE_FILES } from '../../../scripts/dashboards/files.ts';

test.each([...MADE_FILES])('%s is what npm run dashboards writes', (name, make) => {
  expect(readFileSync(join(import.meta.dirname, '..', '..', '..', name), 'utf8')).toBe(make());
});
