/**
 * `npm run build` compiles `src` to `dist` with tsconfig.build.json, and bundles the node command and the page of the visualiser. It also
 * runs before every `npm pack`. It first empties `dist`, so that no file outlives its source.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { bundlePage } from '../src/visualizer/bundle-page.ts';
import { bundleNode } from './bundle/bundle-node.ts';

const ROOT = join(import.meta.dirname, '..');
const COMPILER = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc');

const PAGE = join(ROOT, 'src', 'visualizer', 'page');
const BUILT_PAGE = join(ROOT, 'dist', 'visualizer', 'page');

rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [COMPILER, '-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
process.exitCode = status ?? 1;

mkdirSync(BUILT_PAGE, { recursive: true });
for (const file of ['index.html', 'app.css', 'icon.svg']) copyFileSync(join(PAGE, file), join(BUILT_PAGE, file));
writeFileSync(join(BUILT_PAGE, 'app.js'), await bundlePage(join(PAGE, 'main.ts')));
await bundleNode(join(ROOT, 'dist', 'bundle'));
