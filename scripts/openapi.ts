/** `npm run openapi:update`: writes the OpenAPI document and a readable page (docs/api.md). Both have the same content. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_VERSION } from '../src/node/package-version.ts';
import { openApiDocument } from '../src/openapi/document.ts';
import { apiPage, type Document } from './openapi/page.ts';

const DOCS = join(import.meta.dirname, '..', 'docs');
const document = openApiDocument(PACKAGE_VERSION);

writeFileSync(join(DOCS, 'openapi.json'), `${JSON.stringify(document, null, 2)}\n`);
writeFileSync(join(DOCS, 'api.md'), apiPage(document as unknown as Document));
