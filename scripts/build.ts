/**
 * `npm run build`, and before every `npm pack`: compiles `src` to `dist` as tsconfig.build.json says. `dist` is emptied first,
 * so that no file outlives its source.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const ROOT = join(import.meta.dirname, '..');
const COMPILER = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc');

rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [COMPILER, '-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
process.exitCode = status ?? 1;
