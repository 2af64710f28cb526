/** `npm run dashboards`: regenerates docs/metrics.md and the Grafana dashboards. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MADE_FILES } from './dashboards/files.ts';

for (const [name, make] of MADE_FILES) {
  const file = join(import.meta.dirname, '..', name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, make());
}
