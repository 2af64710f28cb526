/**
 * What logs and answers may show about any thrown value. Only this file reads the content of an error, and it is pure. An expected
 * failure shows its sentence, its call and its cause's code. A broken invariant shows its sentence, its class and where it was thrown. Any
 * other error shows only its class and where it was thrown, because its message may contain foreign bytes or a key.
 */
import { DependencyError, ExpectedError, InvariantError } from './errors.ts';
import type { LogFacts } from './ports.ts';

export interface FailureFacts {
  /** A code such as `chain_unreachable`; for an unexpected error, its class, such as `TypeError`. */
  readonly code: string;
  /** False for a broken assumption (docs/decisions/0021). */
  readonly isExpected: boolean;
  /** The message, if it is one of our own sentences; otherwise null. */
  readonly why: string | null;
  readonly call: string | null;
  /** `host:port`. */
  readonly endpoint: string | null;
  /** `HTTP 401`, `RPC -32000`, or the code of the deepest cause: `ENOTFOUND`, `ERR_TLS_CERT_ALTNAME_INVALID`. */
  readonly cause: string | null;
  /** Stack of an unexpected error: `function file:line`, innermost first, files relative to the project. */
  readonly frames: readonly string[];
}

/** Maximum number of causes that are followed from an error. There is a limit because a chain of causes may be circular. */
const MAX_CAUSES = 8;
const MAX_FRAMES = 8;
const MAX_FRAME_CHARS = 120;
/** Maximum length of a sentence. Characters. */
const MAX_WHY_CHARS = 300;

/** A place in a file; the path is absolute, as in a stack trace. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** Maps a line and column of a stack frame, both counted from 1, to the place in the sources; null if it is not known. */
export type SourceOf = (file: string, line: number, column: number) => Place | null;

/** No mapping by default, because a checkout runs its sources directly. */
let sourceOf: SourceOf = () => null;

/** A program that runs built or bundled code calls this once, at its start. Frames then show places in the sources. */
export function nameFramesBy(source: SourceOf): void {
  sourceOf = source;
}

/** The folder that contains `src`, or `dist` in a built package. */
const PROJECT = new URL('../..', import.meta.url).pathname;

export function failureFacts(error: unknown): FailureFacts {
  const isExpected = error instanceof ExpectedError;
  const isOurs = isExpected || error instanceof InvariantError;
  const dependency = dependencyIn(error);
  return {
    code: isExpected ? error.code : classOf(error),
    isExpected,
    why: isOurs ? firstLine(error.message) : null,
    call: dependency?.call ?? null,
    endpoint: dependency?.endpoint ?? null,
    cause: dependency?.status === undefined ? causeCode(error instanceof Error ? error.cause : null) : statusText(dependency.status),
    frames: isExpected ? [] : framesOf(error),
  };
}

/** The facts as the fields of a log line. */
export function failureLogFacts(facts: FailureFacts): LogFacts {
  const { code, why, call, endpoint, cause, frames } = facts;
  const told = { code, why, call, endpoint, cause, stack: frames.length === 0 ? null : frames.join(' < ') };
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== null));
}

/** One line about any thrown value, for a reason or a peer's last error. For an unexpected error, it shows only the class. */
export function describeFailure(error: unknown): string {
  const { why, code, isExpected } = failureFacts(error);
  return isExpected && why !== null ? why : `unexpected failure (${code})`;
}

/** The deepest code in an error and its causes: a code of the operating system, TLS or the HTTP client. Null if there is none. */
export function causeCode(error: unknown): string | null {
  let found: string | null = null;
  let at: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth += 1) {
    const { code } = at as { readonly code?: unknown };
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,63}$/.test(code)) found = code;
    at = at.cause ?? (at instanceof AggregateError ? at.errors[0] : undefined);
  }
  return found;
}

/** The first DependencyError among an error and its causes. */
export function dependencyIn(error: unknown): DependencyError | null {
  let at: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth += 1) {
    if (at instanceof DependencyError) return at;
    at = at.cause;
  }
  return null;
}

/** JSON-RPC codes are negative; HTTP codes are not. */
function statusText(status: number): string {
  return status >= 100 ? `HTTP ${status}` : `RPC ${status}`;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.slice(0, MAX_WHY_CHARS);
}

function classOf(error: unknown): string {
  if (!(error instanceof Error)) return `thrown ${typeof error}`;
  return /^\w{1,64}$/.test(error.name) ? error.name : 'Error';
}

/** A stack begins with the message, which may look like a frame. So frames are read only after the message. */
function framesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return [];
  const { stack, message } = error;
  const at = stack.indexOf(message);
  // If the message was changed after the stack was made, the end of the message in the stack cannot be found.
  if (at < 0 || (message === '' && stack.split('\n', 1)[0]!.includes(':'))) return [];
  const frames = stack.slice(at + message.length).split('\n').map(frameOf);
  return frames.filter((frame) => frame !== null).slice(0, MAX_FRAMES);
}

const FRAME = /^\s+at (?:(?:async )?(?:new )?(?<name>[\w$.#<>]+)(?: \[as [\w$.#]+\])? \()?(?:file:\/\/)?(?<file>[^()\s]+):(?<line>\d+):(?<column>\d+)\)?$/;

/** Null for a line that is not a frame, and for frames of the runtime itself. */
function frameOf(line: string): string | null {
  const { name = 'anonymous', file, line: number, column } = FRAME.exec(line)?.groups ?? {};
  if (file === undefined || number === undefined || file.startsWith('node:')) return null;
  const place = sourceOf(file, Number(number), Number(column)) ?? { file, line: number };
  return `${name} ${relative(place.file)}:${place.line}`.slice(0, MAX_FRAME_CHARS);
}

/** This package may itself be installed in a `node_modules`, so its own folder is checked first. */
function relative(file: string): string {
  const inProject = file.startsWith(PROJECT) ? file.slice(PROJECT.length - 1) : null;
  const path = inProject ?? file;
  const inPackage = path.lastIndexOf('/node_modules/');
  if (inPackage >= 0) return path.slice(inPackage + 1);
  return inProject?.slice(1) ?? 'outside';
}
