/** Shows a trace file on the visualiser's page, where the reader can move through time. */
import { basename } from 'node:path';
import { systemClock } from '../../system/system.ts';
import { layoutOf } from '../../visualizer/layout.ts';
import { loadPageFiles } from '../../visualizer/page-files.ts';
import { serveVisualizer, type VisualizerServer } from '../../visualizer/server.ts';
import { readTraceFile } from './trace-file.ts';

export interface ServeTraceOptions {
  /** Port on loopback; 0: any free port. */
  readonly port: number;
}

export interface ServedTrace {
  readonly server: VisualizerServer;
  /** true: the last line is incomplete because the writer was interrupted. The line is ignored. */
  readonly isCut: boolean;
}

/** @throws TraceFileError; the error of `listen`, such as EADDRINUSE */
export async function serveTrace(file: string, { port }: ServeTraceOptions): Promise<ServedTrace> {
  const { log, isCut } = await readTraceFile(file);
  const server = await serveVisualizer({ port, title: basename(file), mode: 'replay' }, { clock: systemClock, log, loadPage: loadPageFiles, layoutOf });
  return { server, isCut };
}
