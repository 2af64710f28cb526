/** A Log that keeps its lines for the test. */
import type { Log, LogFacts } from '../../src/domain/ports.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly room: string;
  readonly sentence: string;
  readonly facts: LogFacts;
}

export function collectingLog(lines: LogLine[] = [], room = 'node'): Log & { readonly lines: LogLine[] } {
  const write =
    (level: LogLine['level']) =>
    (sentence: string, facts: LogFacts = {}): void =>
      void lines.push({ level, room, sentence, facts });
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (name) => collectingLog(lines, name),
  };
}
