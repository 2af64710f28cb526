/**
 * Logging: the one file that imports winston. A line is a fixed sentence plus facts. A fact is a string, a number, a boolean or null;
 * bytes and objects are dropped, so they never get into a log.
 */
import type { Writable } from 'node:stream';
import { createLogger, format, transports } from 'winston';
import type { Clock, Log, LogFacts } from '../domain/ports.ts';

/** Maximum length of a fact that is a string; the rest is cut off. Characters. */
const MAX_FACT_CHARS = 512;

const LEVELS = { ERROR: 'error', WARNING: 'warn', INFO: 'info', DEBUG: 'debug' } as const;

export interface LogOptions {
  /** `LOG_LEVEL`: DEBUG, INFO, WARNING or ERROR. */
  readonly level: string;
  readonly stream: Writable;
}

function safeFacts(facts: LogFacts | undefined): Record<string, string | number | boolean | null> {
  const safe: Record<string, string | number | boolean | null> = {};
  for (const [name, value] of Object.entries(facts ?? {})) {
    if (typeof value === 'string') safe[name] = value.slice(0, MAX_FACT_CHARS);
    else if (typeof value === 'number' || typeof value === 'boolean' || value === null) safe[name] = value;
  }
  return safe;
}

/** Creates a log that writes one line of JSON for each message: `time`, `level`, `room` (a folder of `src`) and `message`, then the facts. */
export function createLog(options: LogOptions, modules: { readonly clock: Pick<Clock, 'nowMs'> }): Log {
  const logger = createLogger({
    level: LEVELS[options.level as keyof typeof LEVELS],
    format: format.printf((entry) => String(entry.message)),
    transports: [new transports.Stream({ stream: options.stream })],
  });
  const write = (level: string, room: string, message: string, facts: LogFacts | undefined): void => {
    if (!logger.isLevelEnabled(level)) return;
    const fixed = { time: new Date(modules.clock.nowMs()).toISOString(), level, room, message };
    // The first `fixed` puts its fields at the start of the line. The second prevents a fact from replacing one of these fields.
    logger.log(level, JSON.stringify({ ...fixed, ...safeFacts(facts), ...fixed }));
  };
  const roomLog = (room: string): Log => ({
    debug: (sentence, facts) => write('debug', room, sentence, facts),
    info: (sentence, facts) => write('info', room, sentence, facts),
    warn: (sentence, facts) => write('warn', room, sentence, facts),
    error: (sentence, facts) => write('error', room, sentence, facts),
    child: (child) => roomLog(child),
  });
  return roomLog('node');
}
