/** `npm run chart:update`: redraws the diagram of the machine in the documents that show it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DOCUMENTS, withPicture } from './chart-update/document.ts';

for (const name of DOCUMENTS) {
  const file = join(import.meta.dirname, '..', name);
  writeFileSync(file, withPicture(readFileSync(file, 'utf8')));
}
