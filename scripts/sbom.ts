/**
 * `npm run sbom` writes the list of the packages in the image to `artifacts/image/sbom.cdx.json` (CycloneDX). npm takes the list from the
 * lockfile. The only optional package in the image, and so in the list, is the Node for this machine's processor. The list does not include
 * the C runtime libraries, which come from the build machine.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'artifacts', 'image');
/** Fields that differ from run to run. They are removed, so that the same lockfile results in the same SBOM. */
const CHANGING = ['serialNumber', 'timestamp'];

interface Bom {
  readonly metadata: { readonly component: { name: string } };
  components: readonly { readonly 'bom-ref': string; readonly name: string; readonly scope: string }[];
  dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const { status, stdout } = spawnSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only'], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 64 * 1024 * 1024 });
if (status !== 0) throw new Error('npm sbom failed: its messages are above');
const { name } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly name: string };
const bom = JSON.parse(stdout, (key, value: unknown) => (CHANGING.includes(key) ? undefined : value)) as Bom;
// npm writes the name of the folder here, which differs from checkout to checkout.
bom.metadata.component.name = name;
const left = new Set(bom.components.filter((each) => each.scope === 'optional' && each.name !== `node-linux-${process.arch}`).map((each) => each['bom-ref']));
bom.components = bom.components.filter((each) => !left.has(each['bom-ref']));
bom.dependencies = bom.dependencies
  .filter(({ ref }) => !left.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => !left.has(each)) }));
const text = JSON.stringify(bom, null, 2);
mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, 'sbom.cdx.json'), `${text}\n`);
process.stdout.write(`${join(FOLDER, 'sbom.cdx.json')}\n`);
