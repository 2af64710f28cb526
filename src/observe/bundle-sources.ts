/**
 * Maps a stack frame of a bundle to its place in the sources. Node's own `--enable-source-maps` keeps all source maps in memory, where they
 * take 28 MiB. So this file reads a map only when it must map a frame. That is rare, because only faults are logged with a stack. The
 * map is not kept, but the places found are, so a repeated fault does not read the map again.
 */
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { dirname, resolve } from 'node:path';
import type { Place, SourceOf } from '../domain/failure-facts.ts';

/** Maximum number of places that are kept: enough for the frames of many different faults. */
const MAX_PLACES = 512;

/** @param folder the folder of the bundle; files elsewhere have no map */
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
    // A source map counts lines and columns from 0.
    const entry = map.findEntry(line - 1, column - 1);
    return 'originalSource' in entry ? { file: resolve(dirname(file), entry.originalSource), line: entry.originalLine + 1 } : null;
  } catch {
    // This runs while a failure is logged, so it must not throw. Without a readable map, the log line shows no place in the sources.
    return null;
  }
}
