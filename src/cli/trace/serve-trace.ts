/** Shows a trace file on the visualiser's page: all events are there, and the page moves in time. */
import { basename } from 'node:path';
import { systemClock } from '../../system/system.ts';
import { layoutOf } from '../../visualizer/layout.ts';
import { loadPageFiles } from '../../visualizer/page-files.ts';
import { serveVisualizer, type VisualizerServer } from '../../visualizer/server.ts';
import { readTraceFile } from './trace-file.ts';

export interface ServeTraceOptions {
  /** On loopback; 0: any free one. */
  readonly port: number;
}

export interface ServedTrace {
  readonly server: VisualizerServer;
  /** The last line was cut off while it was written, and is left out. */
  readonly isCut: boolean;
}

/** @throws TraceFileError; the error of `listen`, such as EADDRINUSE */
export async function serveTrace(file: string, { port }: ServeTraceOptions): Promise<ServedTrace> {
  const { log, isCut } = await readTraceFile(file);
  const server = await serveVisualizer({ port, title: basename(file), mode: 'replay' }, { clock: systemClock, log, loadPage: loadPageFiles, layoutOf });
  return { server, isCut };
}
