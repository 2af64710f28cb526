/**
 * The files of the page. In a checkout, the script is bundled on the first request. A built package has no bundler and contains the bundled
 * script.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { PageFile } from './ports.ts';

/** The path is correct both from this file and from the bundle of a built package. */
const FOLDER = join(import.meta.dirname, '..', 'visualizer', 'page');
const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

let files: Promise<ReadonlyMap<string, PageFile>> | null = null;

/**
 * The files by path: `/`, `/app.js`, `/app.css`, `/icon.svg`, and `/elk.js`, which the page loads only to draw a chart of another
 * program.
 */
export function loadPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  files ??= load();
  return files;
}

async function load(): Promise<ReadonlyMap<string, PageFile>> {
  const elk = createRequire(import.meta.url).resolve('elkjs/lib/elk.bundled.js');
  const [page, style, icon, script, layout] = await Promise.all([
    readFile(join(FOLDER, 'index.html')),
    readFile(join(FOLDER, 'app.css')),
    readFile(join(FOLDER, 'icon.svg')),
    scriptOf(FOLDER),
    readFile(elk),
  ]);
  return new Map([
    ['/', { type: HTML, body: page }],
    ['/app.css', { type: CSS, body: style }],
    ['/icon.svg', { type: 'image/svg+xml', body: icon }],
    ['/app.js', { type: SCRIPT, body: script }],
    ['/elk.js', { type: SCRIPT, body: layout }],
  ]);
}

async function scriptOf(folder: string): Promise<Uint8Array> {
  const source = join(folder, 'main.ts');
  if (!existsSync(source)) return readFile(join(folder, 'app.js'));
  const { bundlePage } = await import('./bundle-page.ts');
  return bundlePage(source);
}
