/**
 * Where the code of a bundle stands in the sources, by its source maps. A map is read when a frame needs it and not kept: Node's own
 * `--enable-source-maps` keeps all of them, 28 MiB in a node. Only a broken assumption has frames, so that is rare, and what was
 * found is kept, so that one which happens again costs nothing.
 */
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { dirname, resolve } from 'node:path';
import type { Place, SourceOf } from '../domain/failure-facts.ts';

/** Places that are kept: more than the frames of many different faults. */
const MAX_PLACES = 512;

/** @param folder of the bundle: other files have no map */
export function bundleSources(folder: string): SourceOf {
  const known = new Map<string, Place | null>();
  return (file, line, column) => {
    if (dirname(file) !== folder) return null;
    const at = `${file}:${line}:${column}`;
    const before = known.get(at);
    if (before !== undefined) return before;
    const place = look(file, line, column);
    if (known.size < MAX_PLACES) known.set(at, place);
    return place;
  };
}

function look(file: string, line: number, column: number): Place | null {
  try {
    const map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')) as SourceMapPayload);
    // It counts from 0.
    const entry = map.findEntry(line - 1, column - 1);
    return 'originalSource' in entry ? { file: resolve(dirname(file), entry.originalSource), line: entry.originalLine + 1 } : null;
  } catch {
    // A failure is being told: it is told without this.
    return null;
  }
}
