/**
 * What may be told of any thrown value: pure, and the one place that looks into an error. An expected failure tells its sentence,
 * its call and the code of its cause. Of any other error only what the program itself wrote is told: its class and where it was
 * thrown. The message of such an error may hold foreign bytes or a key, and is never told.
 */
import { DependencyError, ExpectedError, InvariantError } from './errors.ts';
import type { LogFacts } from './ports.ts';

export interface FailureFacts {
  /** Such as `chain_unreachable`; of an error that was not expected its class, such as `TypeError`. */
  readonly code: string;
  /** False: a broken assumption (docs/decisions/0021). */
  readonly isExpected: boolean;
  /** A sentence of ours; null where there is none. */
  readonly why: string | null;
  readonly call: string | null;
  /** `host:port`. */
  readonly endpoint: string | null;
  /** `HTTP 401`, `RPC -32000`, or the code of the deepest cause: `ENOTFOUND`, `ERR_TLS_CERT_ALTNAME_INVALID`. */
  readonly cause: string | null;
  /** Of an unexpected error: `function file:line`, innermost first, files relative to the project. */
  readonly frames: readonly string[];
}

/** Causes looked at below an error; a chain may be circular. */
const MAX_CAUSES = 8;
/** Frames told. */
const MAX_FRAMES = 8;
const MAX_FRAME_CHARS = 120;
/** Longest sentence. Characters. */
const MAX_WHY_CHARS = 300;

/** A place in a file, absolute, as a stack has it. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** Where in the sources the code is that a stack places at a line and column of a file, both from 1; null: not known. */
export type SourceOf = (file: string, line: number, column: number) => Place | null;

/** A checkout runs its sources. */
let sourceOf: SourceOf = () => null;

/** For a program that does not run its sources as they are: frames then name the sources. Called once, before anything fails. */
export function nameFramesBy(source: SourceOf): void {
  sourceOf = source;
}

/** The folder that holds `src`, or `dist` of a built package. */
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

/** The facts as a log line takes them. */
export function failureLogFacts(facts: FailureFacts): LogFacts {
  const { code, why, call, endpoint, cause, frames } = facts;
  const told = { code, why, call, endpoint, cause, stack: frames.length === 0 ? null : frames.join(' < ') };
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== null));
}

/** One line about any thrown value, for a reason or a peer's last error; an unexpected error is named by its class. */
export function describeFailure(error: unknown): string {
  const { why, code, isExpected } = failureFacts(error);
  return isExpected && why !== null ? why : `unexpected failure (${code})`;
}

/** The code of the deepest cause that has one, the error itself included: a name of the system, of TLS or of the HTTP client. */
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

/** The failed call behind an error, itself included. */
export function dependencyIn(error: unknown): DependencyError | null {
  let at: unknown = error;
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth += 1) {
    if (at instanceof DependencyError) return at;
    at = at.cause;
  }
  return null;
}

/** JSON-RPC's codes are negative, HTTP's are not. */
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

/** The message comes first in a stack and may look like a frame: what lies before its end is not read. */
function framesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return [];
  const { stack, message } = error;
  const at = stack.indexOf(message);
  // Changed since: nothing says where the message in the stack ends.
  if (at < 0 || (message === '' && stack.split('\n', 1)[0]!.includes(':'))) return [];
  const frames = stack.slice(at + message.length).split('\n').map(frameOf);
  return frames.filter((frame) => frame !== null).slice(0, MAX_FRAMES);
}

const FRAME = /^\s+at (?:(?:async )?(?:new )?(?<name>[\w$.#<>]+)(?: \[as [\w$.#]+\])? \()?(?:file:\/\/)?(?<file>[^()\s]+):(?<line>\d+):(?<column>\d+)\)?$/;

/** Null for a line that is none, and for frames of the runtime itself. */
function frameOf(line: string): string | null {
  const { name = 'anonymous', file, line: number, column } = FRAME.exec(line)?.groups ?? {};
  if (file === undefined || number === undefined || file.startsWith('node:')) return null;
  const place = sourceOf(file, Number(number), Number(column)) ?? { file, line: number };
  return `${name} ${relative(place.file)}:${place.line}`.slice(0, MAX_FRAME_CHARS);
}

/** An installed package lies in a `node_modules` itself, so this one's folder comes first. */
function relative(file: string): string {
  const inProject = file.startsWith(PROJECT) ? file.slice(PROJECT.length - 1) : null;
  const path = inProject ?? file;
  const inPackage = path.lastIndexOf('/node_modules/');
  if (inPackage >= 0) return path.slice(inPackage + 1);
  return inProject?.slice(1) ?? 'outside';
}
