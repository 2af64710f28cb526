/**
 * `npm run sbom` writes the list of the packages in the image to `artifacts/image/sbom.cdx.json` (CycloneDX). npm takes the list from the
 * lockfile. The C runtime libraries come from the build machine and are not included.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'artifacts', 'image');
/** Fields that differ from run to run. They are removed, so that the same lockfile results in the same SBOM. */
const CHANGING = ['serialNumber', 'timestamp'];

const { status, stdout } = spawnSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 * 1024 * 1024 });
if (status !== 0) throw new Error('npm sbom failed: its messages are above');
const { name } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly name: string };
const bom = JSON.parse(stdout, (key, value: unknown) => (CHANGING.includes(key) ? undefined : value)) as { readonly metadata: { readonly component: { name: string } } };
// By default, npm uses the name of the folder.
bom.metadata.component.name = name;
const text = JSON.stringify(bom, null, 2);
mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, 'sbom.cdx.json'), `${text}\n`);
process.stdout.write(`${join(FOLDER, 'sbom.cdx.json')}\n`);
