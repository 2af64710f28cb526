/**
 * `npm run image` builds the root file system of the image without a container engine, as `artifacts/image/root` and as the tar
 * `artifacts/image/root.tar`. The same sources and libraries produce the same bytes, in any folder and on any day. For this purpose, every
 * file gets the time `SOURCE_DATE_EPOCH` (0 when unset).
 *
 * `-- --out FOLDER` writes both to another folder.
 */
import { createHash } from 'node:crypto';
import { chmodSync, closeSync, lutimesSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { inOrder, tarOf, type TreeFile } from './image/tar.ts';
import { imageTree } from './image/tree.ts';

/** Maximum size of the tar. Bytes. */
const MAX_BYTES = 150_000_000;

const { values: options } = parseArgs({ options: { out: { type: 'string', default: join(import.meta.dirname, '..', 'artifacts', 'image') } } });
const out = resolve(options.out);
const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? '0');
if (!Number.isSafeInteger(seconds) || seconds < 0) throw new RangeError('SOURCE_DATE_EPOCH is not a number of seconds');

const files = await imageTree();
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
layOut(files, join(out, 'root'));
const { bytes, sha256 } = writeTar(files, join(out, 'root.tar'));
process.stdout.write(`${JSON.stringify({ tar: join(out, 'root.tar'), files: files.length, bytes, sha256 })}\n`);
if (bytes > MAX_BYTES) throw new RangeError(`the image is larger than ${MAX_BYTES} bytes`);

function layOut(tree: readonly TreeFile[], root: string): void {
  mkdirSync(root);
  for (const { path, mode, bytes: content } of inOrder(tree)) {
    const at = join(root, path);
    if (content === null) mkdirSync(at);
    else writeFileSync(at, content);
    // The umask may have removed permissions.
    chmodSync(at, mode);
  }
  // A write into a folder changes the folder's time, so the times are set from the innermost folders outwards.
  for (const { path } of [...inOrder(tree)].reverse()) lutimesSync(join(root, path), seconds, seconds);
}

function writeTar(tree: readonly TreeFile[], path: string): { readonly bytes: number; readonly sha256: string } {
  const hash = createHash('sha256');
  let written = 0;
  const file = openSync(path, 'w');
  try {
    for (const part of tarOf(tree, seconds)) {
      for (let at = 0; at < part.length; ) at += writeSync(file, part, at);
      hash.update(part);
      written += part.length;
    }
  } finally {
    closeSync(file);
  }
  return { bytes: written, sha256: hash.digest('hex') };
}
